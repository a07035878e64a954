"""A z-buffer triangle rasteriser in numpy.

Each triangle is cut into its pixel rows, each row into the span of pixel centres that the triangle covers, so that the
work is proportional to what is drawn. Fast where triangles are small, as those of a face are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fragments:
    """What is seen: one entry a covered pixel."""

    pixel: np.ndarray
    """int64 [N], row * width + column."""
    triangle: np.ndarray
    """int64 [N], index of the triangle seen there."""
    weights: np.ndarray
    """float32 [N, 3], weights of its corners (screen space)."""


def _repeat_ranges(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n] counts -> (owner [sum], position inside the owner's range [sum])."""
    owner = np.repeat(np.arange(len(counts)), counts)
    start = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - start[owner]


def _cover(points: np.ndarray, triangles: np.ndarray, size: tuple[int, int]):
    """All (triangle, pixel) pairs whose pixel centre lies in the triangle, and the corner weights there."""
    width, height = size
    a, b, c = (points[triangles[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    area = np.where(np.abs(area) < 1e-9, np.nan, area)
    # The weight of corner k is the line function of the opposite edge: slope @ (x, y) + offset.
    edges = [(b, c), (c, a), (a, b)]
    gx = np.stack([(p[:, 1] - q[:, 1]) / area for p, q in edges], 1)
    gy = np.stack([(q[:, 0] - p[:, 0]) / area for p, q in edges], 1)
    g0 = np.stack([(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]) / area for p, q in edges], 1)
    y = np.stack([a[:, 1], b[:, 1], c[:, 1]], 1)
    top = np.clip(np.ceil(y.min(1) - 0.5), 0, height).astype(np.int64)
    bottom = np.clip(np.floor(y.max(1) - 0.5) + 1, 0, height).astype(np.int64)
    rows = np.where(np.isfinite(area), np.maximum(bottom - top, 0), 0)
    owner, offset = _repeat_ranges(rows)
    row = top[owner] + offset
    rx, rest = gx[owner], gy[owner] * (row + 0.5)[:, None] + g0[owner]
    with np.errstate(divide="ignore", invalid="ignore"):
        root = -rest / rx
    low, high = np.full(len(row), -1.0), np.full(len(row), width + 1.0)
    for k in range(3):
        low = np.where(rx[:, k] > 0, np.maximum(low, root[:, k]), low)
        high = np.where(rx[:, k] < 0, np.minimum(high, root[:, k]), high)
        high[(rx[:, k] == 0) & (rest[:, k] < 0)] = -1
    first = np.clip(np.ceil(low - 0.5), 0, width).astype(np.int64)
    last = np.clip(np.floor(high - 0.5) + 1, 0, width).astype(np.int64)
    span, step = _repeat_ranges(np.maximum(last - first, 0))
    column = first[span] + step
    triangle = owner[span]
    weights = rx[span] * (column + 0.5)[:, None] + rest[span]
    return triangle, row[span] * width + column, weights.astype(np.float32)


def rasterize(points, depth, triangles, size, keep=None) -> Fragments:
    """Draw triangles; the nearest one wins each pixel.

    Args:
        points: float [V, 2], pixels (centres at +0.5); depth: float [V], distance from the camera;
        triangles: int [F, 3]; size: (width, height);
        keep: called with (triangle [M], weights [M, 3]) -> bool [M]: fragments that are not see-through.
    """
    triangle, pixel, weights = _cover(np.asarray(points, np.float64), triangles, size)
    if keep is not None:
        solid = keep(triangle, weights)
        triangle, pixel, weights = triangle[solid], pixel[solid], weights[solid]
    at = np.asarray(depth, np.float32)
    z = sum(at[triangles[triangle, k]] * weights[:, k] for k in range(3))
    nearest = np.full(size[0] * size[1], np.inf, np.float32)
    np.minimum.at(nearest, pixel, z)
    front = np.flatnonzero(z == nearest[pixel])
    winner = np.full(len(nearest), -1, np.int64)
    winner[pixel[front]] = front
    seen = np.flatnonzero(winner >= 0)
    return Fragments(seen, triangle[winner[seen]], weights[winner[seen]])
