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
    sigmoid,
    softplus,
)

SQUARE = 16
"""Pixels along each side of the squares whose rays are followed together."""
AHEAD = 4
"""Samples of a ray taken before it is seen whether more are needed."""
DARK = np.float32(1e-3)
"""A ray ends where less light than this is left."""
MOST = 1 << 16
"""Samples of a ray, whatever numbers a camera holds."""
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
def _aim(x, y, lens, c2w, grids, way):  # type: ignore[no-untyped-def]
    """A pixel's ray into `way`; returns where it enters the box, and how many samples it has there."""
    across, up = (x + HALF - lens[2]) / lens[0], -(y + HALF - lens[3]) / lens[1]
    length = math.sqrt(across * across + up * up + ONE)
    near, far, box = ZERO, np.float32(1e9), grids.box
    for axis in range(3):
        along = (c2w[axis, 0] * across + c2w[axis, 1] * up - c2w[axis, 2]) / length
        way[axis] = along
        inverse = ONE / (along if abs(along) > np.float32(1e-9) else np.float32(1e-9))
        a, b = (box[0, axis] - c2w[axis, 3]) * inverse, (box[1, axis] - c2w[axis, 3]) * inverse
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near, min(max(math.ceil((far - near) / np.float32(grids.step) - HALF), 0), MOST)


@fast_kernel
def _depth(near, sample, grids):  # type: ignore[no-untyped-def]
    return near + (np.float32(sample) + HALF) * np.float32(grids.step)


@fast_kernel
def _occupied(sample, last, way, near, c2w, grids):  # type: ignore[no-untyped-def]
    """The first sample from this one to before the last that lies in an occupied cell; -1: none."""
    low, scale, side = grids.cells[0], grids.cells[1], len(grids.jumps) - 1
    x, y, z = (c2w[0, 3] - low[0]) * scale[0], (c2w[1, 3] - low[1]) * scale[1], (c2w[2, 3] - low[2]) * scale[2]
    right, up, back = way[0] * scale[0], way[1] * scale[1], way[2] * scale[2]
    while sample < last:
        depth = _depth(near, sample, grids)
        i = min(max(int(x + depth * right), 0), side)
        j = min(max(int(y + depth * up), 0), side)
        k = min(max(int(z + depth * back), 0), side)
        jump = grids.jumps[k, j, i]
        if jump == 0:
            return sample
        sample += jump
    return -1


@fast_kernel
def _composite(values, depths, begin, end, optical, sums):  # type: ignore[no-untyped-def]
    """A ray's next samples onto its sums (colour, opacity, depth, the light left), until it is dark."""
    light = sums[5]
    for n in range(begin, end):
        value = values[n]
        passed = np.float32(math.exp(-np.float32(optical) * softplus(value[3])))
        weight = light * (ONE - passed)
        if weight > FAINT:
            for c in range(3):
                sums[c] += weight * sigmoid(value[c])
            sums[3] += weight
            sums[4] += weight * depths[n]
        light *= passed
        if light < DARK:
            break
    sums[5] = light


@fast_kernel
def head_rows(top, bottom, lens, c2w, grids, layers, wanted, head):  # type: ignore[no-untyped-def]
    """The head in a few rows of a picture.

    Args:
        top, bottom: of the rows, at most `SQUARE`; the last is the one before `bottom`.
        lens: float32 [4] focal lengths and centre, px.
        c2w: float32 [4, 4].
        layers: the perceptron's three.
        wanted: bool [H, W]: other pixels stay as they are.
        head: float32 [H, W, 5], zero: colour premultiplied by opacity, opacity, depth premultiplied.
    """
    width, most = head.shape[1], SQUARE * SQUARE
    # Of each ray that is not done: its direction and where it enters the box; its sums; its next and its last sample
    # and its pixel; where its samples begin among those taken.
    ways, sums, counts = np.empty((most, 4), np.float32), np.empty((most, 6), np.float32), np.empty((most, 4), np.int64)
    begin = np.empty(most + 1, np.int64)
    points, depths = np.empty((most * AHEAD, 3), np.float32), np.empty(most * AHEAD, np.float32)
    values = np.empty((most * AHEAD + ROWS, LANES), np.float32)
    rows, moved = np.zeros((CHUNK, layers[0].weight.shape[1]), np.float32), np.empty(8, np.float32)
    one, two = np.empty((CHUNK, len(layers[0].bias)), np.float32), np.empty((CHUNK, len(layers[1].bias)), np.float32)
    for left in range(0, width, SQUARE):
        rays = 0
        for y in range(top, bottom):
            for x in range(left, min(left + SQUARE, width)):
                if not wanted[y, x]:
                    continue
                way = ways[rays]
                way[3], last = _aim(np.float32(x), np.float32(y), lens, c2w, grids, way)
                sample = _occupied(0, last, way, way[3], c2w, grids)
                if sample >= 0:
                    counts[rays, 0], counts[rays, 1], counts[rays, 2], counts[rays, 3] = sample, last, y, x
                    sums[rays] = ZERO
                    sums[rays, 5] = ONE
                    rays += 1
        while rays:
            count = 0
            for ray in range(rays):
                way, sample, last = ways[ray], counts[ray, 0], counts[ray, 1]
                begin[ray] = count
                for _ in range(AHEAD):
                    sample = _occupied(sample, last, way, way[3], c2w, grids)
                    if sample < 0:
                        break
                    depths[count] = _depth(way[3], sample, grids)
                    for axis in range(3):
                        points[count, axis] = c2w[axis, 3] + depths[count] * way[axis]
                    count += 1
                    sample += 1
                counts[ray, 0] = sample
            begin[rays] = count
            for start in range(0, count, CHUNK):
                some = min(CHUNK, count - start)
                for n in range(some):
                    point = points[start + n]
                    _features(grids, point[0], point[1], point[2], moved, rows[n])
                apply_layer(layers[0], rows, some, one, True)
                apply_layer(layers[1], one, some, two, True)
                apply_layer(layers[2], two, some, values[start:], False)
            left_over = 0
            for ray in range(rays):
                _composite(values, depths, begin[ray], begin[ray + 1], grids.optical, sums[ray])
                if counts[ray, 0] < 0 or sums[ray, 5] < DARK:
                    head[counts[ray, 2], counts[ray, 3]] = sums[ray, :5]
                    continue
                ways[left_over], sums[left_over], counts[left_over] = ways[ray], sums[ray], counts[ray]
                left_over += 1
            rays = left_over
