"""A Gaussian over a few pixels of a row, forward and backward: vectors of LLVM, as numba does not make them itself.

The functions take addresses, and check nothing. Logarithms are of base 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from geneface_ns.kernels.lanes import LANES, Lanes, add_to, constant, counted, load, spread, store
from geneface_ns.kernels.tiles import FAINTEST, TILE

MOST = 0.999
"""Opacity of one Gaussian in a pixel, at most."""
DARK = 1e-4
"""A pixel is done before less light than this would be left."""
STRIDE = TILE + LANES
"""Floats of a row of a tile: a vector may reach beyond it, into darkness."""
SUMS = 8
"""Of a Gaussian in a tile before its colours: moments of the gradient (1, x, y, x^2, x y, y^2), absolute x and y."""
FAINTEST_LOG = math.log2(FAINTEST)


def _opacity(builder: Any, place: Any, x2: Any, x1: Any, x0: Any) -> tuple[Lanes, Lanes, Any]:
    """Of pixels that begin at `place` beside a Gaussian's middle: their places, its opacity in them before it is held
    at MOST, and where it can be seen."""
    x = spread(builder, place) + counted(builder)
    power = (x * spread(builder, x2) + spread(builder, x1)) * x + spread(builder, x0)
    return x, power.at_least(-100).at_most(20).exp2(), power.above(FAINTEST_LOG)


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
def lay(typing_context, light, sums, channels, colours, place, x2, x1, x0):  # type: ignore[no-untyped-def]
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
def lay_backward(  # type: ignore[no-untyped-def]
    typing_context, light, left, given, channels, colours, sums, place, x2, x1, x0, y, y2, yx
):
    """As `lay`, and add up a Gaussian's gradients.

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
