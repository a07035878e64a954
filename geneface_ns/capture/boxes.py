"""Boxes: of face and lips in each frame, and the one in the head frame that holds the head."""

from __future__ import annotations

import cv2
import numpy as np

from audio_motion.topology import MOUTH

DEPTH = 0.75
"""The head box reaches this far before and behind the middle between the ears, in face widths."""
LIMIT = 1.2
MARGIN = 0.05


def picture_box(points: np.ndarray, margin: float, size: tuple[int, int]) -> list[float]:
    """Box around points [N, 2] with a margin in parts of its longer side, inside the picture (W, H); x0, y0, x1, y1."""
    low, high = points.min(axis=0), points.max(axis=0)
    extra = margin * float((high - low).max())
    low, high = np.maximum(low - extra, 0), np.minimum(high + extra, size)
    return [round(float(v), 2) for v in (*low, *high)]


def face_box(points: np.ndarray, size: tuple[int, int]) -> list[float]:
    """Around all landmarks [68, 2] px: jaw to brows, a tenth around."""
    return picture_box(points, 0.1, size)


def lips_box(points: np.ndarray, size: tuple[int, int]) -> list[float]:
    """Around the mouth of landmarks [68, 2] px, a quarter around."""
    return picture_box(points[MOUTH], 0.25, size)


def outline_rays(labels: np.ndarray, head: int, c2w: np.ndarray, fl: float, centre: tuple[float, float]) -> np.ndarray:
    """Where the head's outline lies in the head frame, on the plane through its origin across the view.

    Args:
        labels: uint8 [H, W].
        head: label of the head.
        c2w: [4, 4]; fl, centre: pinhole, pixels.

    Returns:
        float [N, 3] points of the outline's convex hull, on the near and the far side of the middle as well.
    """
    outlines, _ = cv2.findContours((labels == head).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return np.zeros((0, 3))
    pixels = cv2.convexHull(np.concatenate(outlines))[:, 0].astype(np.float64) + 0.5
    rays = np.stack([(pixels[:, 0] - centre[0]) / fl, -(pixels[:, 1] - centre[1]) / fl, -np.ones(len(pixels))], axis=1)
    rays = rays @ c2w[:3, :3].T  # one unit of depth along the view each
    depth = float(-c2w[:3, 2] @ -c2w[:3, 3])  # of the head's origin
    return np.concatenate([c2w[:3, 3] + rays * (depth + d) for d in (-0.3, 0.0, 0.3)])


def head_box(outline: np.ndarray) -> list[list[float]]:
    """The box of points [N, 3] across, symmetric in depth, within [-1.2, 1.2]: [[x0, y0, z0], [x1, y1, z1]]."""
    low, high = outline.min(axis=0) - MARGIN, outline.max(axis=0) + MARGIN
    low[2], high[2] = -DEPTH, DEPTH
    low, high = np.clip(low, -LIMIT, LIMIT), np.clip(high, -LIMIT, LIMIT)
    return [[round(float(v), 4) for v in low], [round(float(v), 4) for v in high]]
