"""The body's own motion: where the torso of a reference frame has moved in every frame.

Shoulders do not follow the head, so they are tracked for themselves, with an affine motion a frame
(geneface_ns.capture.follow). Small pixels here are those of the grey film of geneface_ns.capture.extract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from geneface_ns.capture.follow import Follower

SMOOTHING = 1.0
"""Deviation of the Gaussian over time, in frames: 1 to 2 cost nothing, 4 cost up to 1.4 dB."""
LEAST_CORRELATION = 0.6
"""Below this a fit is not believed and the frame before stands."""
OUTLINE_CONTRAST = 20.0
"""Grey levels that the scene is set apart from the torso by."""
OUTLINE_WIDTH = 0.045
"""How far past the sure torso the region reaches, in picture sizes."""


@dataclass(frozen=True)
class BodyMotion:
    """Result of `track_body`."""

    affine: np.ndarray
    """float64 [T, 2, 3]: p = A @ [p_ref, 1], pixels of the full-size picture (pixel centres at +0.5)."""
    correlation: np.ndarray
    """float64 [T]: of the torso with the reference's, nan where it was lost."""


def reference_frame(points2d: np.ndarray, valid: np.ndarray) -> int:
    """The valid frame whose landmarks [T, 68, 2] are nearest to their median."""
    typical = np.median(points2d[valid], axis=0)
    away = np.linalg.norm(points2d - typical, axis=-1).mean(axis=-1)
    away[~valid] = np.inf
    return int(away.argmin())


def rough_torso(person: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The part of the person that is surely torso, before the collar is known.

    Args:
        person: uint8 [h, w] matte.
        points: [68, 2] landmarks, same pixels.

    Returns:
        uint8 [h, w], 255 inside.
    """
    width = float(np.linalg.norm(points[16] - points[0]))
    chin = points[8]
    height, across = person.shape
    x = np.arange(across) + 0.5
    # Below the chin by a good margin in the middle; at the sides, from a little below the chin.
    room = height - chin[1]
    margin = min(0.3 * width, 0.4 * room)
    top = chin[1] + margin * np.exp(-(((x - chin[0]) / (0.45 * width)) ** 2))
    below = (np.arange(height)[:, None] + 0.5) > top[None, :]
    inside = ((person > 127) & below).astype(np.uint8) * 255
    side = 2 * max(1, round(0.02 * max(person.shape))) + 1
    eroded = cv2.erode(inside, np.ones((side, side), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return eroded if eroded.any() else inside


def track_body(
    film: Iterable[tuple[np.ndarray, np.ndarray]],
    reference: tuple[np.ndarray, np.ndarray],
    torso: np.ndarray,
    chin: float,
    scale: tuple[float, float],
    advance: Callable[[], None],
) -> BodyMotion:
    """Follow the torso through the film.

    Args:
        film: uint8 grey and person matte [h, w] of every frame.
        reference: the same of the reference frame.
        torso: uint8 [h, w] its torso, from `rough_torso`.
        chin: y of the chin there; nothing above it belongs to the torso.
        scale: full-size pixels per small pixel, across and down.
    """
    grey, person = reference
    mean = float(grey[torso > 0].mean())
    backdrop = mean + (OUTLINE_CONTRAST if mean < 128 else -OUTLINE_CONTRAST)
    # The shoulders' outline tells most where the cloth is plain: look across it, the scene behind made one grey.
    side = 2 * max(1, round(OUTLINE_WIDTH * max(grey.shape))) + 1
    mask = cv2.dilate(torso, np.ones((side, side), np.uint8)) > 0
    mask &= np.arange(len(grey))[:, None] + 0.5 > chin

    def blended(grey: np.ndarray, person: np.ndarray) -> np.ndarray:
        share = person.astype(np.float32) * np.float32(1 / 255)
        return grey * share + (1 - share) * np.float32(backdrop)

    follow = Follower(blended(grey, person), mask)
    last = np.eye(3)[:2]
    warps, correlations = [], []
    for grey, person in film:
        warp, correlation = follow(blended(grey, person), last)
        if correlation > LEAST_CORRELATION and _plausible(warp, grey.shape):
            last = warp
        else:
            correlation = float("nan")
        warps.append(last)
        correlations.append(correlation)
        advance()
    smooth = gaussian_filter1d(np.stack(warps), SMOOTHING, axis=0, mode="nearest")
    return BodyMotion(to_full_size(smooth, scale), np.array(correlations))


def to_full_size(affine: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """Affine motions [T, 2, 3] from small pixel indices (centres at 0) to full-size pixels (centres at +0.5)."""
    s = np.array(scale, np.float64)
    linear, move = affine[:, :, :2], affine[:, :, 2]
    half = np.full(2, 0.5)
    full = np.empty_like(affine, dtype=np.float64)
    full[:, :, :2] = linear * s[:, None] / s[None, :]
    full[:, :, 2] = s * (move + half - linear @ half)
    return full


def as_indices(affine: np.ndarray) -> np.ndarray:
    """An affine motion [2, 3] of pixels with centres at +0.5, as OpenCV's warps want it (centres at 0)."""
    moved = np.array(affine, np.float64)
    moved[:, 2] += affine[:, :2] @ np.full(2, 0.5) - 0.5
    return moved


def _plausible(warp: np.ndarray, shape: tuple[int, ...]) -> bool:
    """A torso neither flips, nor halves or doubles, nor leaves the picture."""
    middle = np.array([shape[1] / 2, shape[0] / 2, 1])
    return bool(np.abs(warp[:, :2] - np.eye(2)).max() < 0.5 and np.abs(warp @ middle - middle[:2]).max() < max(shape))
