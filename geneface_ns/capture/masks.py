"""Labels of a frame: background, head, torso."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geneface_ns.capture_format.labels import BACKGROUND, HEAD, TORSO

SHIFT = 4
"""Sub-pixel bits of OpenCV's polygon filling."""


@dataclass(frozen=True)
class Collar:
    """The collar line of the reference frame."""

    line: np.ndarray
    """float [N, 2] points x, y from left to right, full-size pixels (centres at +0.5)."""

    @staticmethod
    def of(curve: np.ndarray, scale: tuple[float, float]) -> Collar:
        """From `geneface_ns.capture.collar.collar_curve` [w] and the full-size pixels per small pixel."""
        x = np.arange(len(curve)) + 0.5
        width = len(curve)
        x = np.concatenate([[-width], x, [2 * width]])
        y = np.concatenate([curve[:1], curve, curve[-1:]])
        return Collar(np.stack([x * scale[0], y * scale[1]], axis=1))


def head_side(collar: Collar, body: np.ndarray, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Where a frame's person would be head: above the collar or inside the face.

    Args:
        body: [2, 3] the frame's body motion.
        points: [68, 2] the frame's landmarks, pixels.
        shape: H, W.

    Returns:
        bool [H, W].
    """
    height, width = shape
    line = collar.line @ body[:, :2].T + body[:, 2]
    far = 4.0 * max(height, width)
    above = np.concatenate([line, [[line[-1, 0] + far, -far], [line[0, 0] - far, -far]]])
    region = np.zeros((height, width), np.uint8)
    cv2.fillPoly(region, [_fixed(above)], (1,), shift=SHIFT)
    cv2.fillConvexPoly(region, cv2.convexHull(_fixed(points)), (1,), shift=SHIFT)
    return region > 0


def label(matte: np.ndarray, side: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Labels of one frame.

    Args:
        matte: uint8 [H, W].
        side: bool [H, W] from `head_side`.
        points: [68, 2] landmarks, pixels.

    Returns:
        uint8 [H, W]; the head is the one part connected to the face, everything else of the person is torso.
    """
    face = np.zeros(matte.shape, np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(_fixed(points)), (1,), shift=SHIFT)
    person = (matte > 127) | (face > 0)
    head = (person & side).astype(np.uint8)
    _, parts = cv2.connectedComponents(head, connectivity=4)
    inside = parts[(face > 0) & (parts > 0)]
    labels = np.where(person, np.uint8(TORSO), np.uint8(BACKGROUND))
    if len(inside):
        labels[parts == np.bincount(inside).argmax()] = HEAD
    return labels


def _fixed(points: np.ndarray) -> np.ndarray:
    """Pixels with centres at +0.5 to OpenCV's fixed-point indices."""
    return np.round((points - 0.5) * (1 << SHIFT)).astype(np.int32)
