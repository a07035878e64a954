"""A rendered picture over a real one, without a seam: by weight, in the real one's colours."""

from __future__ import annotations

import cv2
import numpy as np

SPREAD = 0.15
"""Deviation of the blur that carries the colours' difference from the edge inwards, in sides of the picture."""
LARGEST_SHIFT = 24.0
"""Of 255, by which a colour is moved at most: a larger difference is another thing, not another light."""
MATCHED_AT = 64
"""Pixels of the longer side at which colours are matched."""


def smooth_edge(inward: np.ndarray, band: float) -> np.ndarray:
    """How much of each pixel is the rendered one: float32 [H, W, 1], 0 along the edge and 1 inside, smoothly between.

    Args:
        inward: [H, W] distance from the edge, px; 0 outside.
        band: width of the feathered edge, px.
    """
    part = (inward / band).clip(0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)[..., None]


def blend(rendered: np.ndarray, real: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The rendered picture over the real one, its colours moved to the real one's along the edge.

    Args:
        rendered, real: uint8 [H, W, 3].
        weight: float32 [H, W, 1] from `smooth_edge`; where it is 0, the result is the real picture.

    Returns:
        uint8 [H, W, 3].
    """
    real, rendered = real.astype(np.float32), rendered.astype(np.float32)
    matched = rendered + colour_shift(real - rendered, weight)
    return (real + weight * (matched.clip(0, 255) - real) + 0.5).astype(np.uint8)


def colour_shift(difference: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What is to be added to a picture so that it meets another along the feather: [H, W, 3] smooth.

    Args:
        difference: float32 [H, W, 3] the other picture minus this one.
        weight: float32 [H, W, 1] from `smooth_edge`.
    """
    height, width = weight.shape[:2]
    scale = min(1.0, MATCHED_AT / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    band = 4 * weight * (1 - weight)
    if not band.any():
        return np.zeros_like(difference)
    known = np.dstack([difference.clip(-LARGEST_SHIFT, LARGEST_SHIFT) * band, band])
    known = cv2.resize(known, small, interpolation=cv2.INTER_AREA)
    mean = known.reshape(-1, 4).sum(axis=0)
    near = cv2.GaussianBlur(known, (0, 0), SPREAD * max(small))
    # Far from every edge the mean difference counts.
    shift = (near[..., :3] + 1e-3 * mean[:3] / mean[3]) / (near[..., 3:] + 1e-3)
    return cv2.resize(shift, (width, height), interpolation=cv2.INTER_LINEAR)
