"""Landmarks as moving pictures, for TensorBoard and for looking at results."""

from __future__ import annotations

import numpy as np

from audio_motion.topology import OUTLINES

_WHITE = (235, 235, 235)


def draw_motion(*sequences: np.ndarray, size: int = 160) -> np.ndarray:
    """Faces side by side as line drawings.

    Args:
        sequences: landmarks [T, 68, 3] in the head frame, all of one length.
        size: of one face, pixels.

    Returns:
        uint8 [T, size, size * number of sequences, 3].
    """
    import cv2

    frames = np.full((len(sequences[0]), size, size * len(sequences), 3), 24, np.uint8)
    for column, landmarks in enumerate(sequences):
        # x from -0.65 to 0.65, y from 0.6 down to -0.7: a face with its chin down.
        pixels = np.stack([landmarks[..., 0] + 0.65 + 1.3 * column, 0.6 - landmarks[..., 1]], axis=-1)
        pixels = np.rint(pixels * size / 1.3).astype(np.int32)
        for frame, points in zip(frames, pixels, strict=True):
            for line in OUTLINES:
                cv2.polylines(frame, [points[list(line)]], False, _WHITE, 1, cv2.LINE_AA)
    return frames
