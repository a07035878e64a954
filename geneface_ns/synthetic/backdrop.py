"""The two flat layers: the wall behind, and the torso, which moves as a picture by an exact affine."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from geneface_ns.synthetic.identity import Identity

CANVAS = (-0.85, 0.10, 0.85, 0.85)
"""Left, top, right, bottom of the torso's canvas, in shorter image sides from the image's centre (y down)."""


def _noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> np.ndarray:
    """Smooth noise of about unit variance, [H, W]; `cells` blobs across the height, the same at every resolution."""
    rows = max(4, int(cells))
    columns = max(4, int(cells * shape[1] / shape[0]))
    coarse = rng.standard_normal((rows, columns))
    fine = zoom(coarse, (shape[0] / rows, shape[1] / columns), order=1)
    return gaussian_filter(fine[: shape[0], : shape[1]], shape[0] / rows / 3) * 1.5


def _smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def wall(person: Identity, size: tuple[int, int]) -> np.ndarray:
    """The clean background, float32 [H, W, 3]."""
    width, height = size
    rng = np.random.default_rng([person.seed, 5])
    x = (np.arange(width) + 0.5)[None] / height - width / height / 2
    y = (np.arange(height) + 0.5)[:, None] / height - 0.5
    light = 0.86 + 0.22 * np.exp(-(((x + 0.35) / 0.5) ** 2) - ((y + 0.3) / 0.6) ** 2) - 0.10 * (y + 0.5)
    picture = np.array(person.wall) * light[..., None]
    # soft panels and a shelf with out-of-focus things
    for _ in range(7):
        cx, cy = rng.uniform(-0.75, 0.75) * width / height, rng.uniform(-0.45, 0.25)
        w, h = rng.uniform(0.04, 0.12), rng.uniform(0.06, 0.22)
        blur = 0.014
        mask = _smooth(w - np.abs(x - cx), -blur, blur) * _smooth(h - np.abs(y - cy), -blur, blur)
        colour = np.clip(np.array(person.wall) * rng.uniform(0.62, 1.18) + rng.uniform(-0.08, 0.08, 3), 0, 1)
        picture += (colour * light[..., None] - picture) * (0.5 * mask)[..., None]
    shelf = np.exp(-(((y - rng.uniform(0.0, 0.2)) / 0.012) ** 2)) * (x * rng.choice([-1, 1]) > 0.1)
    picture *= 1 - 0.25 * shelf[..., None]
    picture *= (
        1 + 0.012 * _noise(rng, (height, width), 60)[..., None] + 0.012 * _noise(rng, (height, width), 14)[..., None]
    )
    return np.clip(picture, 0, 1).astype(np.float32)


def torso(person: Identity, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The shirt at rest on its canvas: (front, behind the neck), each float32 [H, W, 4], premultiplied RGBA.

    Args:
        scale: pixels in one shorter image side.
    """
    left, top, right, bottom = CANVAS
    width, height = round((right - left) * scale), round((bottom - top) * scale)
    rng = np.random.default_rng([person.seed, 6])
    x = left + (np.arange(width) + 0.5)[None] / scale
    y = top + (np.arange(height) + 0.5)[:, None] / scale
    soft = 0.75 / scale
    ax = np.abs(x)
    slope = 0.288 + 0.105 * _smooth(ax, 0.10, 0.44) + 0.55 * np.clip(ax - 0.43, 0, 1) ** 1.3 * 2
    body = _smooth(y - slope, -soft, soft)
    collar = np.hypot(x / 0.128, (y - 0.262) / 0.082)
    opening = _smooth(1 - collar, -soft / 0.1, soft / 0.1) * (y > 0.2)
    ribs = _smooth(collar, 1.0, 1.02) * _smooth(1.26 - collar, 0, 0.03)
    colour = np.ones((height, width, 3)) * np.array(person.shirt)
    bright = np.array(person.shirt).mean() > 0.55
    accent = np.array(person.shirt) * (0.70 if bright else 1.0) + (0.0 if bright else 0.16)
    if person.shirt_pattern == "stripes":
        bend = y - 0.06 * ax
        pattern = _smooth(np.sin(bend * 2 * np.pi / 0.052), -0.25, 0.25)
    elif person.shirt_pattern == "checks":
        pattern = 0.5 * _smooth(np.sin(x * 2 * np.pi / 0.06), -0.3, 0.3) + 0.5 * _smooth(
            np.sin(y * 2 * np.pi / 0.06), -0.3, 0.3
        )
    else:
        pattern = 0.8 * np.exp(-(((ax - 0.028) / 0.0028) ** 2)) * np.ones_like(y)
    colour += (accent - colour) * pattern[..., None]
    folds = 0.05 * _noise(rng, (height, width), 9) + 0.03 * _noise(rng, (height, width), 30)
    weave = 0.03 * _noise(rng, (height, width), 120)
    light = (
        0.72 + 0.30 * np.exp(-np.clip(y - slope, 0, 1) / 0.16) - 0.32 * _smooth(ax, 0.30, 0.52) - 0.10 * (x > 0) * ax
    )
    light = light - 0.35 * np.exp(-np.clip(collar - 1, 0, 9) / 0.10) * (collar >= 1.24) * 0.6
    front = colour * (light * (1 + folds + weave))[..., None]
    line = np.array(person.shirt) * (0.86 if bright else 1.12)
    stitch = 1 - 0.16 * _smooth(np.sin(np.arctan2(y - 0.262, x) * 110), -0.3, 0.6)
    front += (line * (light * stitch)[..., None] - front) * ribs[..., None]
    if person.shirt_pattern == "buttons":
        for k in range(4):
            ring = np.hypot(x, y - (0.385 + 0.085 * k))
            button = _smooth(0.0115 - ring, -soft, soft)
            front += (
                np.array([0.92, 0.90, 0.86]) * (0.75 + 15 * np.clip(0.012 - ring, 0, 1))[..., None] - front
            ) * button[..., None]
            holes = _smooth(0.0028 - np.hypot(np.abs(x) - 0.0038, y - (0.385 + 0.085 * k)), -soft, soft)
            front *= 1 - 0.7 * holes[..., None]
    alpha = body * (1 - opening)
    rear = np.array(person.shirt) * (0.42 - 0.12 * (ax / 0.13))[..., None] * np.ones_like(y)[..., None]
    rear_alpha = opening * _smooth(y - 0.287 - 0.02 * ax, -soft, soft)
    layers = []
    for rgb, a in ((front, alpha), (rear, rear_alpha)):
        rgb = np.clip(rgb, 0, 1) * a[..., None]
        layers.append(np.concatenate([rgb, a[..., None]], -1).astype(np.float32))
    return layers[0], layers[1]
