"""Median of what was seen, and smooth filling of what never was."""

from __future__ import annotations

import cv2
import numpy as np

ROWS = 32
"""Picture rows handled at once: bounds the memory of sorting."""


def seen_median(pictures: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per pixel and channel, the median over the frames that saw it.

    Args:
        pictures: uint8 [K, H, W, 3].
        seen: bool [K, H, W].

    Returns:
        uint8 [H, W, 3] (0 where never seen) and the count [H, W].
    """
    count = seen.sum(axis=0)
    result = np.zeros(pictures.shape[1:], np.uint8)
    for top in range(0, pictures.shape[1], ROWS):
        rows = slice(top, top + ROWS)
        # The unseen sort to the end; contiguous along frames, sorting bytes is fast.
        values = np.where(seen[:, rows, :, None], pictures[:, rows], np.uint8(255)).transpose(1, 2, 3, 0)
        values = np.sort(np.ascontiguousarray(values), axis=-1)
        middle = np.maximum(count[rows] - 1, 0) // 2
        index = np.broadcast_to(middle[:, :, None, None], (*values.shape[:3], 1))
        result[rows] = np.take_along_axis(values, index, axis=-1)[..., 0]
    result[count == 0] = 0
    return result, count


def fill_smoothly(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill what is not known from around it, by a pyramid of weighted means (push-pull, Gortler et al. 1996).

    Args:
        picture: uint8 [H, W, 3].
        known: bool [H, W].

    Returns:
        uint8 [H, W, 3]; known pixels are untouched.
    """
    if known.all() or not known.any():
        return picture.copy()
    weight = known.astype(np.float32)
    colour = picture.astype(np.float32) * weight[..., None]
    filled = _push_pull(colour, weight)
    # Two passes of averaging inside the hole take the pyramid's blocks away.
    hole = ~known
    sigma = max(1.0, 0.01 * max(known.shape))
    for _ in range(2):
        mixed = np.where(hole[..., None], filled, picture.astype(np.float32))
        filled = cv2.GaussianBlur(mixed, (0, 0), sigma)
    result = picture.copy()
    result[hole] = np.clip(filled[hole] + 0.5, 0, 255).astype(np.uint8)
    return result


def _push_pull(colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Premultiplied float32 [H, W, 3] and weights [H, W] in [0, 1] -> filled [H, W, 3]."""
    height, width = weight.shape
    own = colour / np.maximum(weight, 1e-6)[..., None]
    if min(height, width) <= 2 or weight.min() >= 1:
        mean = colour.sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return np.where(weight[..., None] > 0, own, mean)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small_colour = cv2.resize(colour, half, interpolation=cv2.INTER_AREA)
    # Saturate: a coarse pixel half of which is known is known.
    sure = np.minimum(small_weight * 2, 1)
    small_colour = small_colour * (sure / np.maximum(small_weight, 1e-6))[..., None]
    below = cv2.resize(_push_pull(small_colour, sure), (width, height), interpolation=cv2.INTER_LINEAR)
    return own * weight[..., None] + below * (1 - weight[..., None])
