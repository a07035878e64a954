"""The part of a filmed face that speech moves: mouth and jaw, as an outline that is fixed to the head."""

from __future__ import annotations

import cv2
import numpy as np

from audio_motion.topology import MOUTH
from geneface_ns.capture_format.capture import Capture

LOWER = slice(3, 14)
"""The jaw's points around the region."""
TOP = 29
"""Point of the nose at whose height the region ends."""
BESIDE, BELOW = 0.02, 0.15
"""Face widths by which it goes beyond where the jaw has been, the feathered edge included: beside the cheeks, whose
outline hardly moves and stays the footage's, and below the chin, where speech may open the mouth further."""
FARTHEST = 0.98
"""Part of the frames in which the jaw lies within it."""
FINE = 4
"""Bits of a pixel that the outline's corners are drawn with."""


def outline_of(capture: Capture) -> np.ndarray:
    """Corners of the region in the head frame: float64 [P, 3], around it."""
    landmarks = capture.landmarks.landmarks[capture.is_train & capture.valid].astype(np.float64)
    mean = landmarks.mean(axis=0)
    middle = mean[MOUTH].mean(axis=0)
    jaw = landmarks[:, LOWER]
    away = mean[LOWER] - middle
    away[:, 2] = 0
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    reach = np.quantile(((jaw - mean[LOWER]) * away).sum(axis=2), FARTHEST, axis=0)
    beyond = BESIDE + (BELOW - BESIDE) * np.maximum(-away[:, 1], 0) ** 2
    lower = mean[LOWER] + away * (reach + beyond)[:, None]
    height = mean[TOP, 1]
    # Up from the ends of the jaw to the height of the nose, and across it.
    upper = np.array([[lower[-1, 0], height, lower[-1, 2]], mean[TOP], [lower[0, 0], height, lower[0, 2]]])
    return np.concatenate([lower, upper])


def inward_distance(outline: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How far each pixel lies inside an outline [P, 2] px, and within the picture: float32 [H, W], 0 outside."""
    inside = np.zeros((size[1] + 2, size[0] + 2), np.uint8)
    corners = np.round((outline + 0.5) * (1 << FINE)).astype(np.int32)
    cv2.fillPoly(inside, [corners], (1,), shift=FINE)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    return cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
