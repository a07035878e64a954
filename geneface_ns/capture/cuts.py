"""Finding shot boundaries: talking heads are learned from one shot."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

THUMBNAIL = (48, 48)
ENOUGH_FOR_CUTS = 384
"""Pixels of a picture's longer side that a `CutDetector` needs."""
HISTORY = 24
UNALIKE = 0.35
"""Change of structure from which two pictures are of two shots; within a shot it stayed under 0.19 on 24 real clips."""
FLAT = 8.0
"""Standard deviation over a picture, of 255, below which it is black or a plain card, or nearly, and shows no shot."""


class CutDetector:
    """Tells, frame by frame, whether the picture has become another one.

    A cut changes many pixels at once, far more than the frames before it, and the colours with them. A moving person
    changes fewer pixels, a flash or fade changes all but keeps what is where. Black between two pictures is passed
    over.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._changes: deque[float] = deque(maxlen=HISTORY)

    def __call__(self, rgb: np.ndarray) -> bool:
        """uint8 [H, W, 3] -> whether a new shot begins here."""
        thumb = cv2.resize(rgb, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        if thumb.std() < FLAT:
            return False
        last, self._last = self._last, thumb
        if last is None:
            return False
        change = float(np.abs(thumb - last).mean())
        usual = float(np.median(self._changes)) if self._changes else 1.0
        self._changes.append(change)
        return change > 6 and change > 3 * usual and structure_change(last, thumb) > UNALIKE


def structure_change(a: np.ndarray, b: np.ndarray) -> float:
    """1 minus the correlation of two pictures (float [h, w, 3]) about their own means: 0 alike, about 1 unrelated."""
    a, b = a - a.mean(axis=(0, 1)), b - b.mean(axis=(0, 1))
    return float(1 - (a * b).sum() / (np.sqrt((a**2).sum() * (b**2).sum()) + 1e-6))
