"""Which Gaussians each tile of a picture shows, nearest first.

Footprints are tight: a Gaussian reaches as far as its own opacity can be seen. Gaussians are sorted once, by depth, and
dealt out to the tiles in that order.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geneface_ns.kernels.run import kernel

TILE = 16
"""Pixels along each side."""
FAINTEST = np.float32(1 / 255)
"""Opacity that can be seen, as gsplat has it."""
HALF, TWO = np.float32(0.5), np.float32(2)
DIGIT = 11
"""Bits sorted by at a time; three times hold all of a positive float32."""


class Tiles(NamedTuple):
    """Pairs of a tile and a Gaussian that reaches into it. Tiles of all cameras, row by row; Gaussians of all cameras,
    `camera * N + n`."""

    first: np.ndarray
    """int64 [tiles + 1] where each tile's pairs begin."""
    gaussian: np.ndarray
    """int32 [pairs] sorted by tile, then by depth."""
    row: np.ndarray
    """int32 [pairs] of each its place among the pairs sorted by Gaussian."""
    first_row: np.ndarray
    """int64 [Gaussians + 1] where each Gaussian's pairs begin among those."""


def deal_out(seen: tuple[np.ndarray, ...], across: int, down: int) -> Tiles:
    """The tiles of pictures that are `across` times `down` tiles large.

    Args:
        seen: float32 means2d [C, N, 2], conics [C, N, 3], opacities [N], depths [C, N], and int32 radii [C, N], 0: not
            seen.
    """
    means2d, conics, opacities, depths, radii = seen
    cameras, count = radii.shape
    spans = np.zeros((cameras * count, 4), np.int32)
    first = np.zeros(cameras * across * down + 1, np.int64)
    first_row = np.zeros(cameras * count + 1, np.int64)
    flat = means2d.reshape(-1, 2), conics.reshape(-1, 3), opacities, radii.reshape(-1)
    _count(*flat, across, down, spans, first, first_row)
    pairs = int(first_row[-1])
    gaussian, row = np.empty(pairs, np.int32), np.empty(pairs, np.int32)
    _place(_by_depth(depths.reshape(-1), first_row), count, across, down, spans, first, first_row, gaussian, row)
    return Tiles(first, gaussian, row, first_row)


@kernel
def _count(means2d, conics, opacities, radii, across, down, spans, first, first_row):  # type: ignore[no-untyped-def]
    """The tiles from x0, y0 to before x1, y1 that each Gaussian reaches into, and how many pairs come before each."""
    for g in range(len(radii)):
        opacity = opacities[g % len(opacities)]
        first_row[g + 1] = first_row[g]
        if radii[g] <= 0 or not opacity > FAINTEST:
            continue
        reach = TWO * np.float32(math.log(opacity / FAINTEST))
        a, b, c = conics[g]
        determinant = a * c - b * b
        half_x, half_y = math.sqrt(reach * c / determinant), math.sqrt(reach * a / determinant)
        x, y = means2d[g]
        if not (abs(x) + half_x < 1e6 and abs(y) + half_y < 1e6):
            continue
        # Pixels whose middles it reaches.
        x0, x1 = math.ceil(x - half_x - HALF), math.floor(x + half_x - HALF)
        y0, y1 = math.ceil(y - half_y - HALF), math.floor(y + half_y - HALF)
        if x1 < x0 or y1 < y0:
            continue
        left, right = min(max(x0 // TILE, 0), across), min(max(x1 // TILE + 1, 0), across)
        top, bottom = min(max(y0 // TILE, 0), down), min(max(y1 // TILE + 1, 0), down)
        spans[g, 0], spans[g, 1], spans[g, 2], spans[g, 3] = left, top, right, bottom
        first_row[g + 1] += (right - left) * (bottom - top)
        start = g // len(opacities) * across * down
        for row in range(top, bottom):
            for column in range(left, right):
                first[start + row * across + column + 1] += 1
    for tile in range(1, len(first)):
        first[tile] += first[tile - 1]


@kernel
def _by_depth(depths, first_row):  # type: ignore[no-untyped-def]
    """The Gaussians that are in any tile, nearest first; of two at one depth the first comes first."""
    seen = 0
    order, keys = np.empty(len(depths), np.int32), np.empty(len(depths), np.uint32)
    bits = depths.view(np.uint32)
    for g in range(len(depths)):
        if first_row[g + 1] > first_row[g]:
            order[seen], keys[seen] = g, bits[g]
            seen += 1
    next_order, next_keys = np.empty(seen, np.int32), np.empty(seen, np.uint32)
    order, keys = order[:seen].copy(), keys[:seen].copy()
    begin = np.empty(1 << DIGIT, np.int64)
    for shift in (0, DIGIT, 2 * DIGIT):
        begin[:] = 0
        for n in range(seen):
            begin[(keys[n] >> shift) & ((1 << DIGIT) - 1)] += 1
        total = 0
        for digit in range(1 << DIGIT):
            begin[digit], total = total, total + begin[digit]
        for n in range(seen):
            digit = (keys[n] >> shift) & ((1 << DIGIT) - 1)
            next_order[begin[digit]], next_keys[begin[digit]] = order[n], keys[n]
            begin[digit] += 1
        order, next_order, keys, next_keys = next_order, order, next_keys, keys
    return order


@kernel
def _place(order, count, across, down, spans, first, first_row, gaussian, row):  # type: ignore[no-untyped-def]
    filled = first.copy()
    for g in order:
        pair, start = first_row[g], g // count * across * down
        for y in range(spans[g, 1], spans[g, 3]):
            for x in range(spans[g, 0], spans[g, 2]):
                place = filled[start + y * across + x]
                gaussian[place], row[place] = g, pair
                filled[start + y * across + x] += 1
                pair += 1
