"""What the field's kernels are made of: layers of a perceptron and bilinear values, in vectors of LLVM.

numba's own loops reach neither: they do not keep a product's sums in registers (64 x 64 a sample: 97 ns, numpy's
product 72, this 43), and follow an array's shape anew for every node. The functions take addresses and distances in
bytes, and check nothing.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from geneface_ns.kernels.run import fast_kernel

LANES = 16
"""Outputs of a layer computed at once; widths are filled up to a multiple of it."""
ROWS = 6
"""Rows computed at once: so many times `LANES` sums and the weights just fit into AVX2's registers."""
CHUNK = 8 * ROWS
"""Rows that go through a perceptron together, in a core's first cache."""
FEW = 4
"""Channels of the smallest grids are filled up to a multiple of this."""
ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
"""Beside a Python number all would be float64."""
LARGE = np.float32(20)
"""Its exponential plus one is its exponential."""


class Layer(NamedTuple):
    """A linear layer whose outputs are filled up to a multiple of `LANES`."""

    weight: np.ndarray
    """[outputs / LANES, inputs, LANES]."""
    bias: np.ndarray
    """[outputs]."""


def _load(builder: Any, address: Any, lanes: int) -> Any:
    return builder.load(builder.inttoptr(address, ir.VectorType(ir.FloatType(), lanes).as_pointer()), align=4)


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=4)


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    """A number in every lane."""
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
    return builder.shuffle_vector(
        builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0)), nothing, first
    )


def _plus_product(builder: Any, total: Any, a: Any, b: Any) -> Any:
    return builder.fadd(total, builder.fmul(a, b, flags=("fast",)), flags=("fast",))


@intrinsic
def _tile(typing_context, source, stride, weight, bias, target, target_stride, width):  # type: ignore[no-untyped-def]
    """`ROWS` rows of inputs times `LANES` columns of weights, and the bias."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, stride, weight, bias, target, target_stride, width = arguments

        def further(start: Any, count: Any, size: Any) -> Any:
            return builder.add(start, builder.mul(count, size))

        def constant(value: int) -> Any:
            return ir.Constant(ir.IntType(64), value)

        before = _load(builder, bias, LANES)
        begin, loop, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(ir.IntType(64))
        sums = [builder.phi(before.type) for _ in range(ROWS)]
        weights = _load(builder, further(weight, k, constant(4 * LANES)), LANES)
        grown = []
        for row, total in enumerate(sums):
            place = further(further(source, stride, constant(row)), k, constant(4))
            value = builder.load(builder.inttoptr(place, ir.FloatType().as_pointer()))
            grown.append(_plus_product(builder, total, _spread(builder, value, LANES), weights))
            total.add_incoming(before, begin)
            total.add_incoming(grown[-1], loop)
        following = builder.add(k, constant(1))
        k.add_incoming(constant(0), begin)
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, width), loop, end)
        builder.position_at_end(end)
        for row, total in enumerate(grown):
            _store(builder, total, further(target, target_stride, constant(row)))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), generate


@fast_kernel
def apply_layer(layer, source, count, target, rectify):  # type: ignore[no-untyped-def]
    """A linear layer, and `rectify` for a ReLU: rows [N, I] to rows [N, O] (N filled up to a multiple of `ROWS`)."""
    tiles, width, _ = layer.weight.shape
    weight, bias = layer.weight.ctypes.data, layer.bias.ctypes.data
    given, result = source.ctypes.data, target.ctypes.data
    stride, row_stride = source.strides[0], target.strides[0]
    for n in range(0, count, ROWS):
        for tile in range(tiles):
            lanes = 4 * LANES * tile
            start, end = given + n * stride, result + n * row_stride + lanes
            _tile(start, stride, weight + lanes * width, bias + lanes, end, row_stride, width)  # type: ignore[call-arg]
        if rectify:
            for m in range(n, n + ROWS):
                row = target[m]
                for j in range(len(row)):
                    row[j] = max(row[j], ZERO)


def _blend_of(lanes: int) -> Any:
    """The function that adds bilinear values of so many channels."""

    @intrinsic
    def blend(typing_context, target, here, across, down, u, v, gate):  # type: ignore[no-untyped-def]
        """Add to `target`, times `gate`, the value between a node, the next one, and the two below them."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            target, here, across, down = arguments[:4]
            u, v, gate = (_spread(builder, value, lanes) for value in arguments[4:])

            def between(a: Any, b: Any, part: Any) -> Any:
                return _plus_product(builder, a, part, builder.fsub(b, a, flags=("fast",)))

            def along(start: Any) -> Any:
                return between(_load(builder, start, lanes), _load(builder, builder.add(start, across), lanes), u)

            value = between(along(here), along(builder.add(here, down)), v)
            _store(builder, _plus_product(builder, _load(builder, target, lanes), gate, value), target)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 4, *[types.float32] * 3), generate

    return blend


blend, blend_8, blend_few = _blend_of(LANES), _blend_of(8), _blend_of(FEW)


@fast_kernel
def node_before(place, size):  # type: ignore[no-untyped-def]
    """The node before a place counted in nodes, and how far behind it the place lies; beyond the border, the border."""
    place = min(max(place, ZERO), np.float32(size - 1))
    node = min(max(int(place), 0), size - 2)  # whatever `place` is: an address is made of it
    return node, place - np.float32(node)


@fast_kernel
def nodes_before(x, y, z, nodes, size):  # type: ignore[no-untyped-def]
    """`node_before` of a point along each axis."""
    i, u = node_before((x - nodes[0, 0]) * nodes[1, 0], size)
    j, v = node_before((y - nodes[0, 1]) * nodes[1, 1], size)
    k, w = node_before((z - nodes[0, 2]) * nodes[1, 2], size)
    return i, u, j, v, k, w


@fast_kernel
def sigmoid(value):  # type: ignore[no-untyped-def]
    return ONE / (ONE + np.float32(math.exp(min(-value, LARGE))))


@fast_kernel
def softplus(value):  # type: ignore[no-untyped-def]
    return value if value > LARGE else np.float32(math.log1p(math.exp(value)))
