"""Gaussians over each other in a picture, front to back, tile by tile: the twin of `splat.reference.blend`.

A Gaussian is laid over a few pixels of a row at a time. Backward goes through the tiles in the same order: what all
Gaussians of a pixel contribute is known from the forward pass, and what lies behind one is what is left of that.
"""

from __future__ import annotations

import math

import numpy as np

from geneface_ns.kernels.lanes import LANES
from geneface_ns.kernels.run import fast_kernel
from geneface_ns.kernels.shading import FAINTEST_LOG, STRIDE, SUMS, lay, lay_backward
from geneface_ns.kernels.tiles import TILE

NUMBERS = 7
"""Of a Gaussian before its colours: place, x^2, x y and y^2 of its logarithm, its opacity's, its reach up and down."""
CHECKED = 16
"""Gaussians after which it is seen whether any light is left in a tile."""
ZERO, HALF, ONE, TWO = (np.float32(x) for x in (0, 0.5, 1, 2))
VISIBLE = np.float32(FAINTEST_LOG)
LOG2E, LN2 = np.float32(math.log2(math.e)), np.float32(math.log(2))


@fast_kernel
def pack(begin, end, means2d, conics, opacities, colours, numbers):  # type: ignore[no-untyped-def]
    """Gaussians [C N] as rows of what `blend` reads: `NUMBERS`, colours, and 1, which sums up to the opacity."""
    channels = colours.shape[1]
    for g in range(begin, end):
        n = g % len(opacities)
        a, b, c = conics[g]
        row = numbers[g]
        strength = np.float32(math.log2(opacities[n])) - VISIBLE
        row[0], row[1] = means2d[g]
        row[2], row[3], row[4] = -HALF * LOG2E * a, -LOG2E * b, -HALF * LOG2E * c
        row[5] = strength
        row[6] = math.sqrt(max(strength * TWO * LN2 * a / (a * c - b * b), ZERO))
        for channel in range(channels):
            row[NUMBERS + channel] = colours[n, channel]
        row[NUMBERS + channels] = ONE


@fast_kernel
def _begin_tile(light, left, top, width, height):  # type: ignore[no-untyped-def]
    """Light in all of a tile's pixels that are in the picture."""
    light[:] = ZERO
    for y in range(min(TILE, height - top)):
        for x in range(min(TILE, width - left)):
            light[y, x] = ONE


@fast_kernel
def _span(row, y, left):  # type: ignore[no-untyped-def]
    """A Gaussian along the row of pixels y beside its middle: from where to before where it can be seen, x^1 and x^0
    of its logarithm (its faintest is VISIBLE)."""
    x1, x0 = row[3] * y, row[4] * y * y + row[5]
    inside = x1 * x1 - np.float32(4) * row[2] * x0
    if not inside > ZERO:
        return 0, 0, x1, x0
    scale = -HALF / row[2]
    middle, half = row[0] + x1 * scale - HALF, math.sqrt(inside) * scale
    return max(math.ceil(middle - half), left), min(math.floor(middle + half) + 1, left + TILE), x1, x0


@fast_kernel
def _rows(row, top):  # type: ignore[no-untyped-def]
    """From which to before which row of a tile a Gaussian can be seen."""
    return (
        max(math.ceil(row[1] - row[6] - HALF), top),
        min(math.floor(row[1] + row[6] - HALF) + 1, top + TILE),
    )


@fast_kernel
def blend(begin, step, first, gaussian, numbers, backgrounds, across, colours, alphas):  # type: ignore[no-untyped-def]
    """Lay Gaussians over each other, in every `step`-th tile.

    Args:
        first, gaussian: of `Tiles`.
        numbers: from `pack`.
        backgrounds: float32 [C, D].
        across: tiles in a row.
        colours: float32 [C, H, W, D]; alphas: [C, H, W].
    """
    cameras, height, width, channels = colours.shape
    tiles = (len(first) - 1) // cameras
    light, sums = np.empty((TILE, STRIDE), np.float32), np.empty((channels + 1, TILE, STRIDE), np.float32)
    for tile in range(begin, len(first) - 1, step):
        camera, left, top = tile // tiles, tile % tiles % across * TILE, tile % tiles // across * TILE
        _begin_tile(light, left, top, width, height)
        sums[:] = ZERO
        for n in range(first[tile], first[tile + 1]):
            if (n - first[tile]) % CHECKED == CHECKED - 1 and light.max() == ZERO:
                break
            row = numbers[gaussian[n]]
            y0, y1 = _rows(row, top)
            for y in range(y0, y1):
                x0, x1, slope, height_there = _span(row, np.float32(y) + HALF - row[1], left)
                for x in range(x0, x1, LANES):
                    place = 4 * ((y - top) * STRIDE + x - left)
                    lay(  # type: ignore[call-arg]
                        light.ctypes.data + place,
                        sums.ctypes.data + place,
                        channels + 1,
                        row.ctypes.data + 4 * NUMBERS,
                        np.float32(x) + HALF - row[0],
                        row[2],
                        slope,
                        height_there + VISIBLE,
                    )
        for y in range(min(TILE, height - top)):
            for x in range(min(TILE, width - left)):
                opacity = sums[channels, y, x]
                alphas[camera, top + y, left + x] = opacity
                for c in range(channels):
                    behind = (ONE - opacity) * backgrounds[camera, c]
                    colours[camera, top + y, left + x, c] = sums[c, y, x] + behind


@fast_kernel
def blend_backward(  # type: ignore[no-untyped-def]
    begin, step, first, gaussian, row_of, numbers, backgrounds, across, pictures, given, rows
):
    """The gradients of every Gaussian in every `step`-th tile.

    Args:
        row_of: `Tiles.row`.
        pictures: colours and alphas, as `blend` gave them; given: the gradients by both.
        rows: float32 [pairs, SUMS + D + 1], zero.
    """
    (colours, alphas), (to_colours, to_alphas) = pictures, given
    cameras, height, width, channels = colours.shape
    tiles = (len(first) - 1) // cameras
    light, behind = np.empty((TILE, STRIDE), np.float32), np.empty((TILE, STRIDE), np.float32)
    by_sum, sums = (
        np.zeros((channels + 1, TILE, STRIDE), np.float32),
        np.empty((SUMS + channels + 1, LANES), np.float32),
    )
    for tile in range(begin, len(first) - 1, step):
        camera, left, top = tile // tiles, tile % tiles % across * TILE, tile % tiles // across * TILE
        if first[tile] == first[tile + 1]:
            continue
        _begin_tile(light, left, top, width, height)
        behind[:] = ZERO
        by_sum[:] = ZERO
        for y in range(min(TILE, height - top)):
            for x in range(min(TILE, width - left)):
                opacity = alphas[camera, top + y, left + x]
                by_opacity = to_alphas[camera, top + y, left + x]
                total = ZERO
                for c in range(channels):
                    gradient, background = to_colours[camera, top + y, left + x, c], backgrounds[camera, c]
                    by_sum[c, y, x] = gradient
                    by_opacity -= gradient * background
                    total += gradient * (colours[camera, top + y, left + x, c] - (ONE - opacity) * background)
                by_sum[channels, y, x] = by_opacity
                behind[y, x] = total + by_opacity * opacity
        for n in range(first[tile], first[tile + 1]):
            if (n - first[tile]) % CHECKED == CHECKED - 1 and light.max() == ZERO:
                break
            row = numbers[gaussian[n]]
            sums[:] = ZERO
            y0, y1 = _rows(row, top)
            for y in range(y0, y1):
                up = np.float32(y) + HALF - row[1]
                x0, x1, slope, height_there = _span(row, up, left)
                for x in range(x0, x1, LANES):
                    place = 4 * ((y - top) * STRIDE + x - left)
                    lay_backward(  # type: ignore[call-arg]
                        light.ctypes.data + place,
                        behind.ctypes.data + place,
                        by_sum.ctypes.data + place,
                        channels + 1,
                        row.ctypes.data + 4 * NUMBERS,
                        sums.ctypes.data,
                        np.float32(x) + HALF - row[0],
                        row[2],
                        slope,
                        height_there + VISIBLE,
                        up,
                        TWO * row[4] * up,
                        row[3],
                    )
            result = rows[row_of[n]]
            for i in range(len(result)):
                total = ZERO
                for lane in range(LANES):
                    total += sums[i, lane]
                result[i] = total


@fast_kernel
def gather(begin, end, first_row, rows, conics, opacities, results):  # type: ignore[no-untyped-def]
    """Sum up each Gaussian's rows: gradients by means2d, conics, opacities and colours, absolute ones by means2d.

    Args:
        first_row: of `Tiles`.
        results: [C N, 2], [C N, 3], [C N], [C N, D], [C N, 2], all zero.
    """
    to_means2d, to_conics, to_opacities, to_colours, absolute = results
    total = np.empty(rows.shape[1], np.float32)
    for g in range(begin, end):
        if first_row[g] == first_row[g + 1]:
            continue
        total[:] = ZERO
        for n in range(first_row[g], first_row[g + 1]):
            for i in range(len(total)):
                total[i] += rows[n, i]
        a, b, c = conics[g]
        to_means2d[g, 0], to_means2d[g, 1] = a * total[1] + b * total[2], b * total[1] + c * total[2]
        to_conics[g, 0], to_conics[g, 1], to_conics[g, 2] = -HALF * total[3], -total[4], -HALF * total[5]
        to_opacities[g] = total[0] / opacities[g % len(opacities)]
        absolute[g, 0], absolute[g, 1] = LN2 * total[6], LN2 * total[7]
        for channel in range(to_colours.shape[1]):
            to_colours[g, channel] = total[SUMS + channel]
