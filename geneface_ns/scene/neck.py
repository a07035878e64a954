"""The neck continued under the collar, where no picture shows it."""

from __future__ import annotations

import cv2
import numpy as np


def neck_under_collar(
    image: np.ndarray, head: np.ndarray, covered: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Continue the head's colours a little way under the torso that covers it.

    The collar's edge moves over the neck. What lies just under it must look like neck already, or a gap opens when the
    head rises further than it did in training.

    Args:
        image: uint8 [H, W, 3].
        head: uint8 [H, W], how much of the pixel is head.
        covered: uint8 [H, W], how much of the pixel is torso before the head.
        reach: pixels.

    Returns:
        bool [H, W]: torso pixels within `reach` of the head; uint8 [H, W, 3]: there, the nearest head pixel's colour.
    """
    # The outermost pixel is mixed with what lies beside it.
    inner = cv2.erode((head > 127).astype(np.uint8), np.ones((3, 3), np.uint8))
    if not inner.any():
        return np.zeros(head.shape, bool), image
    distance, nearest = cv2.distanceTransformWithLabels(1 - inner, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros(nearest.max() + 1, np.int64)
    inside = np.flatnonzero(inner)
    source[nearest.reshape(-1)[inside]] = inside
    under = (covered > 127) & (distance <= reach + 1)
    return under, image.reshape(-1, 3)[source[nearest]]
