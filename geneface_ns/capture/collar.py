"""The line between neck and torso, found once in the reference frame and carried along by the body.

Tied to the body it cannot flicker. It is the curve y(x) that best parts the colours of face and hair above from those
of the clothes below, summed over many frames moved onto the reference frame by the body's motion, found exactly by
dynamic programming; where colours tell nothing (bare shoulders) it settles on a smooth default below the chin.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

BINS = 24
"""Bins a channel of the colour histograms (Lab)."""
STIFFNESS = 2.5
"""Cost of one pixel of step between neighbouring columns, in units of a surely misjudged pixel."""
SOFT_PULL = 0.15
"""Cost, a pixel of person between curve and default, of leaving the default."""


def collar_curve(pictures: np.ndarray, persons: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The collar in the reference frame.

    Args:
        pictures: uint8 RGB [K, h, w, 3] frames, moved onto the reference frame by the body's motion.
        persons: uint8 [K, h, w] their mattes, moved alike.
        points: [K, 68, 2] their landmarks, moved alike.

    Returns:
        float64 [w]: for every column the y (pixels, centres at +0.5) above which a person's pixel is head.
    """
    head, torso = _colour_models(pictures, persons, points)
    height, width = pictures.shape[1:3]
    balance = np.zeros((height, width))  # > 0 looks like torso
    for picture, person in zip(pictures, persons, strict=True):
        lab = _bins(picture)
        evidence = np.log(torso[lab] + 1e-4) - np.log(head[lab] + 1e-4)
        balance += np.where(person > 127, np.clip(evidence / 3, -1, 1), 0)
    balance /= len(pictures)
    present = (persons > 127).mean(axis=0)
    low, default, high = _limits(points, height, width)
    # A column whose lowest run of person ends below the mouth is a shoulder (or outer hair): nothing of it is head
    # unless the colours say so.
    empty = present < 0.5
    top = height - np.where(empty.any(axis=0), empty[::-1].argmax(axis=0), height)
    default = np.where(top > low, np.clip(top, low, high), default)
    # Cost of putting the line at y: all above is called head, all below torso.
    above = np.concatenate([np.zeros((1, width)), np.cumsum(np.maximum(balance, 0), axis=0)])
    below = np.cumsum(np.maximum(-balance, 0)[::-1], axis=0)[::-1]
    below = np.concatenate([below, np.zeros((1, width))])
    cost = above + below
    lines = np.arange(height + 1)[:, None]
    filled = np.concatenate([np.zeros((1, width)), np.cumsum(present, axis=0)])
    at_default = np.take_along_axis(filled, np.clip(np.round(default), 0, height).astype(int)[None], axis=0)
    cost = cost + SOFT_PULL * np.abs(filled - at_default) + 0.01 * np.abs(lines - default[None])
    cost[(lines < low[None]) | (lines > high[None])] = 1e6
    return gaussian_filter1d(_cheapest_path(cost), 0.01 * width, mode="nearest")


def _limits(points: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Highest, default and lowest y of the line for each column, from landmarks [K, 68, 2]."""
    typical = np.median(points, axis=0)
    face = float(np.linalg.norm(typical[16] - typical[0]))
    chin, mouth = typical[8], typical[60:68, 1].mean()
    x = np.arange(width) + 0.5
    near = np.exp(-(((x - chin[0]) / (0.42 * face)) ** 2))
    room = height - chin[1]
    low = np.full(width, mouth + 0.05 * face)
    jaw = np.interp(x, typical[3:14, 0], typical[3:14, 1], left=-1, right=-1)
    low = np.maximum(low, jaw - 0.02 * face)
    default = chin[1] - 0.05 * face + near * min(0.3 * face, 0.5 * room)
    high = chin[1] + 0.15 * face + near * min(0.5 * face, 0.75 * room)
    low, high = np.minimum(low, height), np.minimum(np.maximum(high, low + 1), height)
    return low, np.clip(default, low, high), high


def _colour_models(pictures: np.ndarray, persons: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed Lab histograms of head and of torso, [BINS, BINS, BINS] each, sums 1."""
    head = np.zeros((BINS,) * 3)
    torso = np.zeros((BINS,) * 3)
    height, width = pictures.shape[1:3]
    for picture, person, face in zip(pictures, persons, points, strict=True):
        lab = _bins(picture)
        oval = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(oval, cv2.convexHull(np.round(face).astype(np.int32)), (1,))
        rows = np.arange(height)[:, None]
        inside = person > 200
        chin = face[8, 1]
        size = float(np.linalg.norm(face[16] - face[0]))
        # Skin of the lower face counts more than hair: it is what meets the collar.
        for region, weight in (
            (inside & (oval > 0) & (rows > face[30, 1]), 2.0),
            (inside & (rows < face[27, 1]), 1.0),
        ):
            np.add.at(head, tuple(channel[region] for channel in lab), weight / max(1, region.sum()))
        low = inside & (rows > chin + min(0.65 * size, 0.6 * (height - chin)))
        np.add.at(torso, tuple(channel[low] for channel in lab), 1 / max(1, low.sum()))
    # The neck lies in the chin's shadow: let lightness spread further than hue.
    models = [gaussian_filter(model, (2.5, 0.9, 0.9)) for model in (head, torso)]
    return models[0] / max(models[0].sum(), 1e-9), models[1] / max(models[1].sum(), 1e-9)


def _bins(picture: np.ndarray) -> tuple[np.ndarray, ...]:
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.int32)
    # Hue channels of people and clothes lie within +-64 of grey.
    light = lab[..., 0] * BINS // 256
    a, b = (np.clip((lab[..., c] - 64) * BINS // 128, 0, BINS - 1) for c in (1, 2))
    return light, a, b


def _cheapest_path(cost: np.ndarray) -> np.ndarray:
    """The y(x) of least summed cost [n, w] plus STIFFNESS a pixel of step: float64 [w]."""
    count, width = cost.shape
    total = cost[:, 0].copy()
    origin = np.empty((count, width), np.int32)
    steps = STIFFNESS * 0.1 * np.abs(np.arange(count)[:, None] - np.arange(count)[None, :])
    for column in range(1, width):
        through = total[None, :] + steps
        origin[:, column] = through.argmin(axis=1)
        total = through[np.arange(count), origin[:, column]] + cost[:, column]
    path = np.empty(width)
    at = int(total.argmin())
    for column in range(width - 1, -1, -1):
        path[column] = at
        at = int(origin[at, column]) if column else at
    return path
