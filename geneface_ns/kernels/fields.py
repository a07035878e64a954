"""Pictures of the head and torso fields, a few samples through everything at a time: what `renderers.cpu` runs on.

So that what lies between two steps stays in the cache: layer by layer over a whole picture, perceptrons wait for
memory. Twin of `renderers.reference`. All that the kernels share stands in this one file, because numba looks for
changes in the file of the function that it keeps, and no further.
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
"""Samples computed at once: so many rows of `LANES` sums and the weights just fit into AVX2's registers."""
CHUNK = 8 * ROWS
"""Samples that go through the layers together, in a core's first cache."""
FEW = 4
"""Channels of a latent or of an expression plane are filled up to a multiple of this."""
SQUARE = 16
"""Pixels along each side of the squares whose rays are followed together."""
AHEAD = 4
"""Samples of a ray taken before it is seen whether more are needed."""
DARK = np.float32(1e-3)
"""A ray ends where less light than this is left."""
FAINT = np.float32(1e-5)
"""A sample that weighs less has no colour, a gate below it is shut."""
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
"""Beside a Python number all would be float64."""


class Layer(NamedTuple):
    """A linear layer whose outputs are filled up to a multiple of `LANES`."""

    weight: np.ndarray
    """[outputs / LANES, inputs, LANES]."""
    bias: np.ndarray
    """[outputs]."""


class HeadGrids(NamedTuple):
    """What a head's field reads under a frame's condition. Grids are flat, a node's channels side by side."""

    box: np.ndarray
    """[2, 3]."""
    cells: np.ndarray
    """[2, 3] the corner and cells per unit."""
    jumps: np.ndarray
    """uint8 [R, R, R], z, y, x: how many samples on from an empty cell the next occupied one may lie; 0: occupied."""
    step: float
    """Between samples."""
    optical: float
    """What a sample's softplus is multiplied by for its optical thickness."""
    volume_nodes: np.ndarray
    """[2, 3] the first node and nodes per unit."""
    volume: np.ndarray
    """[R^3 8] displacement, gates, nothing."""
    plane_nodes: np.ndarray
    """[2, 3] as above."""
    planes: np.ndarray
    """[3 R^2 C], C a multiple of `LANES`."""
    face_nodes: np.ndarray
    """[2, 3] as above."""
    face_planes: np.ndarray
    """[3 R^2 2 C], of the mouth and of the upper face, C a multiple of `FEW`."""
    sizes: tuple[int, int, int]
    """R of volume, planes and face planes."""
    channels: tuple[int, int]
    """C of planes and face planes."""


class TorsoGrids(NamedTuple):
    """What a torso's field reads under a frame's condition. Grids as in `HeadGrids`; all span [-reach, reach]^2."""

    reach: float
    canonical: np.ndarray
    """[2, 3] from a pixel to the reference frame's, the image as [-1, 1]^2."""
    furthest: float
    """Of the learned motion, in the same unit."""
    latents: tuple[np.ndarray, ...]
    """Levels [2 C / FEW R^2 FEW], beside the torso's picture and beside the background's."""
    sizes: tuple[int, ...]
    """R of each level."""
    torso: np.ndarray
    """[H W 4]."""
    background: np.ndarray
    """[H W 4], the last nothing."""
    size: tuple[int, int]
    """H and W."""


@intrinsic
def _tile(typing_context, source, stride, weight, bias, target, target_stride, width):  # type: ignore[no-untyped-def]
    """`ROWS` rows of inputs times `LANES` columns of weights, and the bias; addresses, and strides in bytes.

    In vectors of LLVM, whose loops do not keep a product's sums in registers: 43 ns a sample for 64 x 64, where loops
    take 97 and numpy's product 72.
    """
    signature = types.void(*[types.intp] * 7)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        index, number = ir.IntType(64), ir.IntType(32)
        vector = ir.VectorType(ir.FloatType(), LANES)
        source, stride, weight, bias, target, target_stride, width = arguments
        nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(number, LANES), [0] * LANES)

        def at(start: Any, count: Any, size: Any, kind: Any) -> Any:
            return builder.inttoptr(builder.add(start, builder.mul(count, size)), kind.as_pointer())

        def constant(value: int) -> Any:
            return ir.Constant(index, value)

        before = builder.load(at(bias, constant(0), constant(0), vector), align=4)
        begin, loop, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(index)
        sums = [builder.phi(vector) for _ in range(ROWS)]
        weights = builder.load(at(weight, k, constant(4 * LANES), vector), align=4)
        grown = []
        for row, total in enumerate(sums):
            start = builder.add(source, builder.mul(stride, constant(row)))
            value = builder.load(at(start, k, constant(4), ir.FloatType()))
            value = builder.shuffle_vector(builder.insert_element(nothing, value, ir.Constant(number, 0)), nothing, first)
            product = builder.fmul(value, weights, flags=("fast",))
            grown.append(builder.fadd(total, product, flags=("fast",)))
            total.add_incoming(before, begin)
            total.add_incoming(grown[-1], loop)
        following = builder.add(k, constant(1))
        k.add_incoming(constant(0), begin)
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, width), loop, end)
        builder.position_at_end(end)
        for row, total in enumerate(grown):
            builder.store(total, at(target, target_stride, constant(row), vector), align=4)
        return context.get_dummy_value()

    return signature, generate


@fast_kernel
def _apply(layer, source, count, target, rectify):  # type: ignore[no-untyped-def]
    """Rows of inputs [N, I] to rows of outputs [N, O], N filled up to a multiple of `ROWS`; `rectify`: no negatives."""
    tiles, width, _ = layer.weight.shape
    weight, bias = layer.weight.ctypes.data, layer.bias.ctypes.data
    given, result = source.ctypes.data, target.ctypes.data
    stride, row_stride = source.strides[0], target.strides[0]
    for n in range(0, count, ROWS):
        for tile in range(tiles):
            lanes = 4 * LANES * tile
            _tile(
                *(given + n * stride, stride, weight + lanes * width, bias + lanes),
                *(result + n * row_stride + lanes, row_stride, width),
            )
        if rectify:
            for m in range(n, n + ROWS):
                row = target[m]
                for j in range(len(row)):
                    row[j] = max(row[j], ZERO)


def _blend_of(lanes: int) -> Any:
    """The function that adds the bilinear value of so many channels."""

    @intrinsic
    def blend(typing_context, target, table, here, across, down, u, v, gate):  # type: ignore[no-untyped-def]
        """Add to `target` the gated value between four nodes; addresses, and distances in bytes."""
        signature = types.void(*[types.intp] * 5, *[types.float32] * 3)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector = ir.VectorType(ir.FloatType(), lanes)
            target, table, here, across, down, u, v, gate = arguments
            nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)

            def everywhere(value: Any) -> Any:
                value = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
                return builder.shuffle_vector(value, nothing, first)

            def load(address: Any) -> Any:
                return builder.load(builder.inttoptr(address, vector.as_pointer()), align=4)

            def between(a: Any, b: Any, part: Any) -> Any:
                difference = builder.fsub(b, a, flags=("fast",))
                return builder.fadd(a, builder.fmul(part, difference, flags=("fast",)), flags=("fast",))

            u, v, gate = everywhere(u), everywhere(v), everywhere(gate)
            near = builder.add(table, here)
            far = builder.add(near, down)
            near_value = between(load(near), load(builder.add(near, across)), u)
            far_value = between(load(far), load(builder.add(far, across)), u)
            value = builder.fmul(gate, between(near_value, far_value, v), flags=("fast",))
            value = builder.fadd(load(target), value, flags=("fast",))
            builder.store(value, builder.inttoptr(target, vector.as_pointer()), align=4)
            return context.get_dummy_value()

        return signature, generate

    return blend


_blend, _blend_8, _blend_few = _blend_of(LANES), _blend_of(8), _blend_of(FEW)


@fast_kernel
def _node(place, size):  # type: ignore[no-untyped-def]
    """The node before a place counted in nodes, and how far behind it the place lies; beyond the border, the border."""
    place = min(max(place, ZERO), np.float32(size - 1))
    node = min(int(place), size - 2)
    return node, place - np.float32(node)


@fast_kernel
def _nodes(x, y, z, nodes, size):  # type: ignore[no-untyped-def]
    """`_node` of a point along each axis."""
    i, u = _node((x - nodes[0, 0]) * nodes[1, 0], size)
    j, v = _node((y - nodes[0, 1]) * nodes[1, 1], size)
    k, w = _node((z - nodes[0, 2]) * nodes[1, 2], size)
    return i, u, j, v, k, w


@fast_kernel
def _features(grids, x, y, z, moved, row):  # type: ignore[no-untyped-def]
    """What the head's perceptron sees of a point: features of the planes, of the expression, two gates."""
    size, node = grids.sizes[0], 32
    i, u, j, v, k, w = _nodes(x, y, z, grids.volume_nodes, size)
    moved[:] = ZERO
    target, table = moved.ctypes.data, grids.volume.ctypes.data
    here, layer = ((k * size + j) * size + i) * node, size * size * node
    _blend_8(target, table, here, node, size * node, u, v, ONE - w)
    _blend_8(target, table, here + layer, node, size * node, u, v, w)
    x, y, z = x + moved[0], y + moved[1], z + moved[2]
    size, channels = grids.sizes[1], grids.channels[0]
    node = 4 * channels
    i, u, j, v, k, w = _nodes(x, y, z, grids.plane_nodes, size)
    row[:] = ZERO
    target, table = row.ctypes.data, grids.planes.ctypes.data
    for block in range(0, node, 4 * LANES):
        _blend(target + block, table + block, (j * size + i) * node, node, size * node, u, v, ONE)
        _blend(target + block, table + block, ((size + k) * size + i) * node, node, size * node, u, w, ONE)
        _blend(target + block, table + block, ((2 * size + k) * size + j) * node, node, size * node, v, w, ONE)
    mouth, eyes = moved[3], moved[4]
    row[-2], row[-1] = mouth, eyes
    nodes, size, channels = grids.face_nodes, grids.sizes[2], grids.channels[1]
    half = HALF * np.float32(size - 1)
    x, y, z = (x - nodes[0, 0]) * nodes[1, 0], (y - nodes[0, 1]) * nodes[1, 1], (z - nodes[0, 2]) * nodes[1, 2]
    fade = min((ONE - max(abs(x - half), abs(y - half), abs(z - half)) / half) * np.float32(4), ONE)
    if fade * max(mouth, eyes) < FAINT:
        return
    (i, u), (j, v), (k, w) = _node(x, size), _node(y, size), _node(z, size)
    target, table, node = target + 4 * grids.channels[0], grids.face_planes.ctypes.data, 8 * channels
    for region in range(2):
        gate = fade * (eyes if region else mouth)
        if gate > FAINT:
            for block in range(region * node // 2, (region + 1) * node // 2, 4 * FEW):
                to, of = target + block - region * node // 2, table + block
                _blend_few(to, of, (j * size + i) * node, node, size * node, u, v, gate)
                _blend_few(to, of, ((size + k) * size + i) * node, node, size * node, u, w, gate)
                _blend_few(to, of, ((2 * size + k) * size + j) * node, node, size * node, v, w, gate)


@fast_kernel
def _next_sample(grids, c2w, way, near, far, slot):  # type: ignore[no-untyped-def]
    """The first sample from `slot` on that lies in an occupied cell: its number (-1: none), depth and place."""
    cells, resolution = grids.cells, len(grids.jumps)
    step = np.float32(grids.step)
    x0, y0, z0 = (c2w[0, 3] - cells[0, 0]) * cells[1, 0], (c2w[1, 3] - cells[0, 1]) * cells[1, 1], (c2w[2, 3] - cells[0, 2]) * cells[1, 2]
    x1, y1, z1 = way[0] * cells[1, 0], way[1] * cells[1, 1], way[2] * cells[1, 2]
    while True:
        depth = near + (np.float32(slot) + HALF) * step
        if not depth < far:
            return -1, depth
        i = min(max(np.int32(x0 + depth * x1), 0), resolution - 1)
        j = min(max(np.int32(y0 + depth * y1), 0), resolution - 1)
        k = min(max(np.int32(z0 + depth * z1), 0), resolution - 1)
        jump = grids.jumps[k, j, i]
        if jump == 0:
            return slot, depth
        slot += jump


@fast_kernel
def _aim(x, y, lens, c2w, box, way):  # type: ignore[no-untyped-def]
    """A pixel's ray into `way`; returns where it enters the box and leaves it, the latter not behind the former if it
    misses."""
    across, up = (x + HALF - lens[2]) / lens[0], -(y + HALF - lens[3]) / lens[1]
    length = math.sqrt(across * across + up * up + ONE)
    near, far = ZERO, np.float32(3e38)
    for axis in range(3):
        along = (c2w[axis, 0] * across + c2w[axis, 1] * up - c2w[axis, 2]) / length
        way[axis] = along
        inverse = ONE / (along if abs(along) > np.float32(1e-9) else np.float32(1e-9))
        a, b = (box[0, axis] - c2w[axis, 3]) * inverse, (box[1, axis] - c2w[axis, 3]) * inverse
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near, far


@fast_kernel
def _composite(values, depths, begin, end, optical_scale, sums):  # type: ignore[no-untyped-def]
    """A ray's next samples onto its sums (colour, opacity, depth, light left), until it is dark."""
    light = sums[5]
    for n in range(begin, end):
        value = values[n]
        density = value[3] if value[3] > np.float32(20) else np.float32(math.log1p(math.exp(value[3])))
        passed = np.float32(math.exp(-density * optical_scale))
        weight = light * (ONE - passed)
        if weight > FAINT:
            for c in range(3):
                sums[c] += weight / (ONE + np.float32(math.exp(-value[c])))
            sums[3] += weight
            sums[4] += weight * depths[n]
        light *= passed
        if light < DARK:
            break
    sums[5] = light


@fast_kernel
def head_rows(top, bottom, lens, c2w, grids, layers, head):  # type: ignore[no-untyped-def]
    """The head in a few rows of a picture.

    Args:
        top, bottom: of the rows, at most `SQUARE`; the last is the one before `bottom`.
        lens: float32 [4] focal lengths and centre, px.
        c2w: float32 [4, 4].
        layers: the perceptron's three.
        head: float32 [H, W, 5], zero: colour premultiplied by opacity, opacity, depth premultiplied.
    """
    rays, width = SQUARE * SQUARE, head.shape[1]
    ways, sums = np.empty((rays, 3), np.float32), np.empty((rays, 6), np.float32)
    near, far = np.empty(rays, np.float32), np.empty(rays, np.float32)
    slots, pixels = np.empty(rays, np.int64), np.empty(rays, np.int64)
    begin = np.empty(rays + 1, np.int64)
    points, depths = np.empty((rays * AHEAD, 3), np.float32), np.empty(rays * AHEAD, np.float32)
    values = np.empty((rays * AHEAD + CHUNK, LANES), np.float32)
    rows = np.zeros((CHUNK, layers[0].weight.shape[1]), np.float32)
    one, two = np.empty((CHUNK, len(layers[0].bias)), np.float32), np.empty((CHUNK, len(layers[1].bias)), np.float32)
    moved = np.empty(8, np.float32)
    optical_scale = np.float32(grids.optical)
    for left in range(0, width, SQUARE):
        alive = 0
        for y in range(top, bottom):
            for x in range(left, min(left + SQUARE, width)):
                way = ways[alive]
                near[alive], far[alive] = _aim(np.float32(x), np.float32(y), lens, c2w, grids.box, way)
                slot, _ = _next_sample(grids, c2w, way, near[alive], far[alive], 0)
                if slot >= 0:
                    slots[alive], pixels[alive] = slot, y * width + x
                    sums[alive, :5], sums[alive, 5] = ZERO, ONE
                    alive += 1
        while alive:
            count = 0
            for ray in range(alive):
                begin[ray] = count
                for _ in range(AHEAD):
                    slot, depth = _next_sample(grids, c2w, ways[ray], near[ray], far[ray], slots[ray])
                    if slot < 0:
                        slots[ray] = -1
                        break
                    for axis in range(3):
                        points[count, axis] = c2w[axis, 3] + depth * ways[ray, axis]
                    depths[count] = depth
                    slots[ray] = slot + 1
                    count += 1
            begin[alive] = count
            for start in range(0, count, CHUNK):
                some = min(CHUNK, count - start)
                for n in range(some):
                    point = points[start + n]
                    _features(grids, point[0], point[1], point[2], moved, rows[n])
                _apply(layers[0], rows, some, one, True)
                _apply(layers[1], one, some, two, True)
                _apply(layers[2], two, some, values[start:], False)
            left_alive = 0
            for ray in range(alive):
                _composite(values, depths, begin[ray], begin[ray + 1], optical_scale, sums[ray])
                if slots[ray] < 0 or sums[ray, 5] < DARK:
                    y, x = pixels[ray] // width, pixels[ray] % width
                    for c in range(5):
                        head[y, x, c] = sums[ray, c]
                    continue
                n = left_alive
                for c in range(3):
                    ways[n, c] = ways[ray, c]
                for c in range(6):
                    sums[n, c] = sums[ray, c]
                near[n], far[n], slots[n], pixels[n] = near[ray], far[ray], slots[ray], pixels[ray]
                left_alive += 1
            alive = left_alive


@fast_kernel
def _picture(target, table, height, width, x, y):  # type: ignore[no-untyped-def]
    """Add `scene.torso.sample_picture` of `FEW` channels at a place in [-1, 1]^2; addresses."""
    i, u = _node((x + ONE) * (HALF * np.float32(width)) - HALF, width)
    j, v = _node((y + ONE) * (HALF * np.float32(height)) - HALF, height)
    _blend_few(target, table, (j * width + i) * 4 * FEW, 4 * FEW, width * 4 * FEW, u, v, ONE)


@fast_kernel
def _latents(grids, torso_x, torso_y, x, y, row):  # type: ignore[no-untyped-def]
    """All levels at a place of the torso's picture and one of the background's; returns how many channels."""
    row[:] = ZERO
    channels = 0
    for level in range(len(grids.latents)):
        latent, size = grids.latents[level], grids.sizes[level]
        floats = size * size * FEW
        tables = len(latent) // floats
        for n in range(tables):
            target, table = row.ctypes.data + 4 * channels, latent.ctypes.data + 4 * floats * n
            if n < tables // 2:
                _picture(target, table, size, size, torso_x, torso_y)
            else:
                _picture(target, table, size, size, x, y)
            channels += FEW
    return channels


@fast_kernel
def torso_pixels(first, last, board, grids, shift, colour, head, rgb, person):  # type: ignore[no-untyped-def]
    """Torso and background around the head in some pixels of a picture, and the whole picture of them.

    Args:
        first, last: of the pixels, counted row by row; the last is the one before `last`.
        board: float32 [H W, 2] each pixel's place in the capture's picture, that being [-1, 1]^2.
        shift, colour: the perceptrons' layers, two and three.
        head: float32 [H W, 5] from `head_rows`.
        rgb: float32 [H W, 3], written.
        person: float32 [H W, 4], written: as `renderers.contract.Layers`.
    """
    rows = np.zeros((CHUNK, colour[0].weight.shape[1]), np.float32)
    one, two = np.empty((CHUNK, len(colour[0].bias)), np.float32), np.empty((CHUNK, len(colour[1].bias)), np.float32)
    moves, extra = np.empty((CHUNK, LANES), np.float32), np.empty((CHUNK, LANES), np.float32)
    places = np.empty((CHUNK, 4), np.float32)
    to, reach, furthest = grids.canonical, ONE / np.float32(grids.reach), np.float32(grids.furthest)
    height, width = grids.size
    for start in range(first, last, CHUNK):
        some = min(CHUNK, last - start)
        for n in range(some):
            x, y = board[start + n, 0], board[start + n, 1]
            place = places[n]
            place[0] = (to[0, 0] * x + to[0, 1] * y + to[0, 2]) * reach
            place[1] = (to[1, 0] * x + to[1, 1] * y + to[1, 2]) * reach
            place[2], place[3] = x * reach, y * reach
            _latents(grids, place[0], place[1], place[2], place[3], rows[n])
        _apply(shift[0], rows, some, one, True)
        _apply(shift[1], one, some, moves, False)
        for n in range(some):
            place, row = places[n], rows[n]
            for c in range(4):
                place[c] += reach * furthest * np.float32(math.tanh(moves[n, c]))
            at = _latents(grids, place[0], place[1], place[2], place[3], row)
            target = row.ctypes.data + 4 * at
            _picture(target, grids.torso.ctypes.data, height, width, place[0], place[1])
            _picture(target + 4 * FEW, grids.background.ctypes.data, height, width, place[2], place[3])
            for c in range(4):
                row[at + 2 * FEW + c] = head[start + n, c]
        _apply(colour[0], rows, some, one, True)
        _apply(colour[1], one, some, two, True)
        _apply(colour[2], two, some, extra, False)
        at = len(rows[0]) - 3 * FEW
        for n in range(some):
            torso, more, seen = rows[n, at:], extra[n], head[start + n]
            opacity = min(max(torso[3] + more[3], ZERO), ONE)
            visible = ONE / (ONE + np.float32(math.exp(more[7])))
            behind = ONE - visible * seen[3]
            alpha = min(max(visible * seen[3] + behind * opacity, ZERO), ONE)
            person[start + n, 3] = alpha
            for c in range(3):
                own = torso[c] + opacity * more[c]
                under = own + (ONE - opacity) * (torso[4 + c] + more[4 + c])
                rgb[start + n, c] = min(max(visible * seen[c] + behind * under, ZERO), ONE)
                # Over the one background it was learnt over, a torso may shine where it is not.
                person[start + n, c] = min(max(visible * seen[c] + behind * own, ZERO), alpha)
