"""Following the mouth in rendered and real frames by one and the same detector."""

from __future__ import annotations

import cv2
import numpy as np

from audio_motion.tracking.detectors import Face, choose_face, make_detector

SMALLEST = 512
"""Pixels: smaller pictures are enlarged to this height or width before detection, which finds nothing in them else."""


class MouthTracker:
    """Tracks one sequence of frames; make a new one for each sequence, because the detector follows the face."""

    def __init__(self) -> None:
        self._detector = make_detector("mediapipe")
        self._previous: Face | None = None
        self.landmarks: list[np.ndarray] = []
        """One float32 [68, 2] a frame, pixels of the frame; nan where no face was found."""

    def add(self, frame: np.ndarray) -> None:
        """Track the next frame, uint8 RGB [H, W, 3]."""
        factor = max(1.0, SMALLEST / min(frame.shape[:2]))
        large = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else frame
        face = choose_face(self._detector(large), self._previous)
        self._previous = face or self._previous
        self.landmarks.append(np.full((68, 2), np.nan, np.float32) if face is None else face.landmarks / factor)
