"""The body's own motion: where the torso of a reference frame has moved in every frame.

Shoulders do not follow the head, so they are tracked for themselves: an affine motion a frame that maximises the
enhanced correlation (Evangelidis and Psarakis, TPAMI 2008) between the reference's torso and the frame, started from
the frame before. Small pixels here are those of the grey film of geneface_ns.capture.extract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

SMOOTHING = 1.0
"""Deviation of the Gaussian over time, in frames: 1 to 2 cost nothing, 4 cost up to 1.4 dB."""
LEAST_CORRELATION = 0.6
"""Below this an affine fit is not believed."""
STILL = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


@dataclass(frozen=True)
class BodyMotion:
    """Result of `track_body`."""

    affine: np.ndarray
    """float64 [T, 2, 3]: p = A @ [p_ref, 1], pixels of the full-size picture (pixel centres at +0.5)."""
    correlation: np.ndarray
    """float64 [T]: of the torso with the reference's, nan where the affine fit failed."""


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
    reference: np.ndarray,
    torso: np.ndarray,
    scale: tuple[float, float],
    advance: Callable[[], None],
) -> BodyMotion:
    """Follow the torso through the film.

    Args:
        film: uint8 grey and person matte [h, w] of every frame.
        reference: uint8 [h, w] grey of the reference frame.
        torso: uint8 [h, w] its torso, from `rough_torso`.
        scale: full-size pixels per small pixel, across and down.
    """
    warp = STILL.copy()
    warps, correlations = [], []
    for grey, person in film:
        warp, correlation = _follow(reference, grey, person, torso, warp)
        warps.append(warp)
        correlations.append(correlation)
        advance()
    small = np.stack(warps).astype(np.float64)
    smooth = gaussian_filter1d(small, SMOOTHING, axis=0, mode="nearest")
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


def _follow(
    reference: np.ndarray, grey: np.ndarray, person: np.ndarray, torso: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, float]:
    height, width = grey.shape
    # OpenCV takes a mask of the input picture, not of the template: move the reference's there with the last motion.
    moved = cv2.warpAffine(torso, start, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.bitwise_and(moved, cv2.threshold(person, 127, 255, cv2.THRESH_BINARY)[1])
    if cv2.countNonZero(mask) < 64:
        return start, float("nan")
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    for kind in (cv2.MOTION_AFFINE, cv2.MOTION_TRANSLATION):
        try:
            correlation, warp = cv2.findTransformECC(reference, grey, start.copy(), kind, stop, mask, 5)
        except cv2.error:  # it raises where it does not converge
            continue
        if np.isfinite(warp).all() and correlation > LEAST_CORRELATION and _plausible(warp, grey.shape):
            return warp, correlation if kind == cv2.MOTION_AFFINE else float("nan")
    return start, float("nan")


def _plausible(warp: np.ndarray, shape: tuple[int, ...]) -> bool:
    """A torso neither flips, nor halves or doubles, nor leaves the picture."""
    middle = np.array([shape[1] / 2, shape[0] / 2, 1])
    return bool(np.abs(warp[:, :2] - np.eye(2)).max() < 0.5 and np.abs(warp @ middle - middle[:2]).max() < max(shape))
