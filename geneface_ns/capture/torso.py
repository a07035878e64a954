"""The torso layer: what the camera saw of it, and what the head hid, painted in so that it never flickers.

The hidden part is painted once, in the reference frame, from all frames moved there by the body's motion, and carried
back by that motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geneface_ns.capture.body import as_indices
from geneface_ns.capture.fill import fill_smoothly, seen_median
from geneface_ns.capture.masks import HEAD, TORSO, Collar, head_side

PADDING = 0.125
"""Margin around the reference frame, in its sizes: bodies lean out of it."""

CLEAR = 0.012
"""Distance from the head, in picture sizes, from which the torso's colours are taken to paint what is hidden."""


@dataclass(frozen=True)
class CanonicalTorso:
    """The torso of the reference frame, with what the head hides painted in."""

    colour: np.ndarray
    """uint8 [H + 2p, W + 2p, 3]."""
    opacity: np.ndarray
    """uint8 [H + 2p, W + 2p]: 255 where there is torso, painted or seen; fades out behind the face."""
    padding: int
    """p, pixels."""

    def at(self, body: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Colour [H, W, 3] and opacity [H, W] where the body's motion [2, 3] has moved it; size is (W, H)."""
        warp = _padded(body, self.padding)

        def moved(picture: np.ndarray) -> np.ndarray:
            return cv2.warpAffine(picture, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

        return moved(self.colour), moved(self.opacity)


def to_reference(picture: np.ndarray, body: np.ndarray, padding: int) -> np.ndarray:
    """Move a frame [H, W, ...] onto the padded reference frame; what lies outside the frame is 0."""
    height, width = picture.shape[:2]
    warp = _padded(body, padding)
    size = (width + 2 * padding, height + 2 * padding)
    return cv2.warpAffine(picture, warp, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def canonical_torso(
    pictures: np.ndarray, labels: np.ndarray, bodies: np.ndarray, collar: Collar, points: np.ndarray
) -> CanonicalTorso:
    """Build the canonical torso.

    Args:
        pictures: uint8 [K, H, W, 3] frames.
        labels: uint8 [K, H, W].
        bodies: [K, 2, 3].
        collar: of the reference frame.
        points: [68, 2] landmarks of the reference frame.
    """
    height, width = pictures.shape[1:3]
    padding = round(PADDING * max(height, width))
    clear = 2 * max(1, round(CLEAR * max(height, width))) + 1
    moved, seen = [], []
    for picture, labelled, body in zip(pictures, labels, bodies, strict=True):
        # Fully inside the torso, and clear of the collar line: what is painted must not carry skin upward.
        sure = cv2.erode((labelled == TORSO).astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
        sure[cv2.dilate((labelled == HEAD).astype(np.uint8), np.ones((clear, clear), np.uint8)) > 0] = 0
        moved.append(to_reference(picture, body, padding))
        seen.append(to_reference(sure, body, padding) > 250)
    colour, count = seen_median(np.stack(moved), np.stack(seen))
    known = count >= max(1, len(pictures) // 20)
    shift = np.array([padding, padding], np.float64)
    still = np.array([[1, 0, padding], [0, 1, padding]], np.float64)
    above = head_side(collar, still, points + shift, (known.shape[0], known.shape[1]))
    # What is below the collar yet only seen in the odd frame is known well enough; what is above it is painted.
    known &= ~above | (count >= len(pictures) // 2)
    opacity = np.where(known, np.uint8(255), np.uint8(0))
    return CanonicalTorso(fill_smoothly(colour, known), np.maximum(opacity, _hidden(points + shift, above)), padding)


def layer(
    picture: np.ndarray,
    matte: np.ndarray,
    labels: np.ndarray,
    background: np.ndarray,
    side: np.ndarray,
    hidden: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """The torso layer of one frame.

    Args:
        picture: uint8 [H, W, 3].
        matte: uint8 [H, W].
        labels: uint8 [H, W].
        background: uint8 [H, W, 3].
        side: bool [H, W] from `geneface_ns.capture.masks.head_side`.
        hidden: colour [H, W, 3] and opacity [H, W] of the canonical torso in this frame.

    Returns:
        uint8 RGBA [H, W, 4], straight alpha.
    """
    colour, opacity = hidden
    behind = labels == HEAD
    alpha = np.where(behind, opacity, np.where(side & (labels != TORSO), np.uint8(0), matte))
    alpha = np.where(labels == TORSO, np.maximum(alpha, 128), alpha)
    result = np.empty((*picture.shape[:2], 4), np.uint8)
    result[..., :3] = np.where(behind[..., None], colour, picture)
    # On the outline the camera saw a mixture; give the torso's share, so that the layer over the background is it.
    edge = (alpha > 0) & (alpha < 255) & ~behind
    share = alpha[edge, None].astype(np.float32) / 255
    pure = (picture[edge] - (1 - share) * background[edge]) / share
    result[edge, :3] = np.clip(pure + 0.5, 0, 255).astype(np.uint8)
    result[alpha == 0] = 0  # nothing to see there, and quick to pack
    result[..., 3] = alpha
    return result


def _padded(body: np.ndarray, padding: int) -> np.ndarray:
    """OpenCV's matrix [2, 3] from the padded reference frame to a frame."""
    return as_indices(body) @ np.array([[1, 0, -padding], [0, 1, -padding], [0, 0, 1]], np.float64)


def _hidden(points: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Opacity [H, W] of the neck's place behind the head: between the jaw's sides, fading out at the mouth."""
    height, width = above.shape
    face = float(np.linalg.norm(points[16] - points[0]))
    mouth, middle = points[60:68, 1].mean(), points[8, 0]
    y = np.arange(height)[:, None] + 0.5
    x = np.arange(width)[None, :] + 0.5
    fade = np.clip((y - mouth) / (0.15 * face), 0, 1) * np.clip((0.55 * face - np.abs(x - middle)) / (0.1 * face), 0, 1)
    return np.where(above, fade * 255, 0).astype(np.uint8)
