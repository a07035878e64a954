"""The head in a picture, a few samples through everything at a time: the twin of `Portrait.render_head`.

So what lies between two steps stays in the cache; step by step over a whole picture, all waits for memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geneface_ns.kernels.run import fast_kernel
from geneface_ns.kernels.vectors import (
    CHUNK,
    FEW,
    HALF,
    LANES,
    ONE,
    ROWS,
    ZERO,
    apply_layer,
    blend,
    blend_8,
    blend_few,
    node_before,
    nodes_before,
)

SQUARE = 16
"""Pixels along each side of the squares whose rays are followed together."""
AHEAD = 4
"""Samples of a ray taken before it is seen whether more are needed."""
DARK = np.float32(1e-3)
"""A ray ends where less light than this is left."""
FAINT = np.float32(1e-5)
"""A sample that weighs less has no colour, a gate below it is shut."""


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


@fast_kernel
def _features(grids, x, y, z, moved, row):  # type: ignore[no-untyped-def]
    """What the head's perceptron sees of a point: features of the planes, of the expression, two gates."""
    size, node = grids.sizes[0], 32
    i, u, j, v, k, w = nodes_before(x, y, z, grids.volume_nodes, size)
    moved[:] = ZERO
    target, table = moved.ctypes.data, grids.volume.ctypes.data
    here, layer = ((k * size + j) * size + i) * node, size * size * node
    blend_8(target, table + here, node, size * node, u, v, ONE - w)
    blend_8(target, table + here + layer, node, size * node, u, v, w)
    x, y, z = x + moved[0], y + moved[1], z + moved[2]
    size, channels = grids.sizes[1], grids.channels[0]
    node = 4 * channels
    i, u, j, v, k, w = nodes_before(x, y, z, grids.plane_nodes, size)
    row[:] = ZERO
    target, table = row.ctypes.data, grids.planes.ctypes.data
    for block in range(0, node, 4 * LANES):
        blend(target + block, table + block + (j * size + i) * node, node, size * node, u, v, ONE)
        blend(target + block, table + block + ((size + k) * size + i) * node, node, size * node, u, w, ONE)
        blend(target + block, table + block + ((2 * size + k) * size + j) * node, node, size * node, v, w, ONE)
    mouth, eyes = moved[3], moved[4]
    row[-2], row[-1] = mouth, eyes
    nodes, size, channels = grids.face_nodes, grids.sizes[2], grids.channels[1]
    half = HALF * np.float32(size - 1)
    x, y, z = (x - nodes[0, 0]) * nodes[1, 0], (y - nodes[0, 1]) * nodes[1, 1], (z - nodes[0, 2]) * nodes[1, 2]
    fade = min((ONE - max(abs(x - half), abs(y - half), abs(z - half)) / half) * np.float32(4), ONE)
    if fade * max(mouth, eyes) < FAINT:
        return
    (i, u), (j, v), (k, w) = node_before(x, size), node_before(y, size), node_before(z, size)
    target, table, node = target + 4 * grids.channels[0], grids.face_planes.ctypes.data, 8 * channels
    for region in range(2):
        gate = fade * (eyes if region else mouth)
        if gate > FAINT:
            for block in range(region * node // 2, (region + 1) * node // 2, 4 * FEW):
                to, of = target + block - region * node // 2, table + block
                blend_few(to, of + (j * size + i) * node, node, size * node, u, v, gate)
                blend_few(to, of + ((size + k) * size + i) * node, node, size * node, u, w, gate)
                blend_few(to, of + ((2 * size + k) * size + j) * node, node, size * node, v, w, gate)


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
                apply_layer(layers[0], rows, some, one, True)
                apply_layer(layers[1], one, some, two, True)
                apply_layer(layers[2], two, some, values[start:], False)
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
