"""Gaussians over each other in a picture, front to back, tile by tile: the twin of `splat.reference.blend`.

A Gaussian is laid over a few pixels of a row at a time. Backward goes through the tiles in the same order: what all
Gaussians of a pixel contribute is known from the forward pass, and what lies behind one is what is left of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from geneface_ns.kernels.lanes import LANES, Lanes, add_to, constant, counted, load, spread, store
from geneface_ns.kernels.run import fast_kernel
from geneface_ns.kernels.tiles import FAINTEST, TILE

MOST = 0.999
"""Opacity of one Gaussian in a pixel, at most."""
DARK = 1e-4
"""A pixel is done before less light than this would be left."""
STRIDE = TILE + LANES
"""Floats of a row of a tile: a vector may reach beyond it, into darkness."""
NUMBERS = 7
"""Of a Gaussian before its colours: place, x^2, x y and y^2 of its logarithm, its opacity's, its reach up and down."""
SUMS = 8
"""Of a Gaussian in a tile before its colours: moments of the gradient (1, x, y, x^2, x y, y^2), absolute x and y."""
CHECKED = 16
"""Gaussians after which it is seen whether any light is left in a tile."""
ZERO, HALF, ONE, TWO = (np.float32(x) for x in (0, 0.5, 1, 2))
VISIBLE = np.float32(math.log2(FAINTEST))
LOG2E, LN2 = np.float32(math.log2(math.e)), np.float32(math.log(2))


def _opacity(builder: Any, place: Any, x2: Any, x1: Any, x0: Any) -> tuple[Lanes, Lanes, Any]:
    """Of pixels that begin at `place` beside a Gaussian's middle: their places, its opacity in them before it is held
    at MOST, and where it can be seen."""
    x = spread(builder, place) + counted(builder)
    power = (x * spread(builder, x2) + spread(builder, x1)) * x + spread(builder, x0)
    return x, power.at_least(-100).at_most(20).exp2(), power.above(float(VISIBLE))


def _for_each(builder: Any, count: Any, begun: Lanes, body: Callable[[Any, Lanes], Lanes]) -> Lanes:
    """What the body makes of a vector with 0, 1 and so on to before a count that is at least one."""
    begin, loop, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(loop)
    builder.position_at_end(loop)
    index, carried = builder.phi(ir.IntType(64)), builder.phi(begun.value.type)
    result = body(index, Lanes(builder, carried))
    following = builder.add(index, ir.Constant(ir.IntType(64), 1))
    for phi, first, next_one in (
        (index, ir.Constant(ir.IntType(64), 0), following),
        (carried, begun.value, result.value),
    ):
        phi.add_incoming(first, begin)
        phi.add_incoming(next_one, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, end)
    builder.position_at_end(end)
    return result


def _at(builder: Any, start: Any, index: Any, size: int) -> Any:
    return builder.add(start, builder.mul(index, ir.Constant(ir.IntType(64), size)))


def _scalar(builder: Any, address: Any) -> Lanes:
    return spread(builder, builder.load(builder.inttoptr(address, ir.FloatType().as_pointer())))


@intrinsic
def _lay(typing_context, light, sums, channels, colours, place, x2, x1, x0):  # type: ignore[no-untyped-def]
    """A Gaussian over pixels of a row whose light is at an address, and whose sums are a tile further each channel."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        light, sums, channels, colours, *curve = arguments
        _, opacity, visible = _opacity(builder, *curve)
        before = load(builder, light)
        taken = before * opacity.at_most(MOST).where(visible)
        after = before - taken
        goes_on = after.above(DARK)
        store(after.where(goes_on), light)

        def add(channel: Any, weight: Lanes) -> Lanes:
            colour = _scalar(builder, _at(builder, colours, channel, 4))
            add_to(weight * colour, _at(builder, sums, channel, 4 * TILE * STRIDE))
            return weight

        _for_each(builder, channels, taken.where(goes_on), add)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4, *[types.float32] * 4), generate


@intrinsic
def _lay_backward(  # type: ignore[no-untyped-def]
    typing_context, light, left, given, channels, colours, sums, place, x2, x1, x0, y, y2, yx
):
    """As `_lay`, and add up a Gaussian's gradients.

    `left`: the gradient's product with what this Gaussian and those behind it contribute to the pixels. `given`: the
    gradients by a pixel's sums. y2, yx: of the slope along y, in the log's own unit: y2 + yx x.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        light, left, given, channels, colours, sums, *curve = arguments
        y, y2, yx = (spread(builder, value) for value in curve[4:])
        x2, x1 = (spread(builder, value) for value in curve[1:3])
        x, whole, visible = _opacity(builder, *curve[:4])
        opacity = whole.at_most(MOST).where(visible)
        before = load(builder, light)
        taken = before * opacity
        after = before - taken
        goes_on = after.above(DARK)
        store(after.where(goes_on), light)
        weight = taken.where(goes_on)
        by_colour = builder.add(sums, ir.Constant(ir.IntType(64), 4 * LANES * SUMS))

        def add(channel: Any, worth: Lanes) -> Lanes:
            colour = _scalar(builder, _at(builder, colours, channel, 4))
            gradient = load(builder, _at(builder, given, channel, 4 * TILE * STRIDE))
            add_to(weight * gradient, _at(builder, by_colour, channel, 4 * LANES))
            return worth + gradient * colour

        worth = _for_each(builder, channels, Lanes(builder, constant(0.0)), add)
        behind = load(builder, left) - weight * worth
        store(behind, left)
        # By the logarithm of the opacity: more of it, and less of what lies behind.
        slope = (before * worth - behind / (opacity * -1 + 1)) * opacity
        held = whole.above(MOST)
        slope = slope.where(goes_on).where(builder.not_(held))
        along, up = x * x2 * 2 + x1, x * yx + y2
        values = [slope, slope * x, slope * y, slope * x * x, slope * x * y, slope * y * y]
        for index, value in enumerate([*values, (slope * along).size(), (slope * up).size()]):
            add_to(value, builder.add(sums, ir.Constant(ir.IntType(64), 4 * LANES * index)))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6, *[types.float32] * 7), generate


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
                    _lay(  # type: ignore[call-arg]
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
                    _lay_backward(  # type: ignore[call-arg]
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
