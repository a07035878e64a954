"""Torso and background in a picture, a few pixels through everything at a time: the twin of `scene.torso`."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geneface_ns.kernels.run import fast_kernel
from geneface_ns.kernels.vectors import CHUNK, FEW, HALF, LANES, ONE, ZERO, apply_layer, blend_few, node_before, sigmoid


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


@fast_kernel
def _picture(target, table, height, width, x, y):  # type: ignore[no-untyped-def]
    """Add `scene.torso.sample_picture` of `FEW` channels at a place in [-1, 1]^2; addresses."""
    i, u = node_before((x + ONE) * (HALF * np.float32(width)) - HALF, width)
    j, v = node_before((y + ONE) * (HALF * np.float32(height)) - HALF, height)
    blend_few(target, table + (j * width + i) * 4 * FEW, 4 * FEW, width * 4 * FEW, u, v, ONE)


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
        apply_layer(shift[0], rows, some, one, True)
        apply_layer(shift[1], one, some, moves, False)
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
        apply_layer(colour[0], rows, some, one, True)
        apply_layer(colour[1], one, some, two, True)
        apply_layer(colour[2], two, some, extra, False)
        at = len(rows[0]) - 3 * FEW
        for n in range(some):
            torso, more, seen = rows[n, at:], extra[n], head[start + n]
            opacity = min(max(torso[3] + more[3], ZERO), ONE)
            visible = sigmoid(-more[7])
            behind = ONE - visible * seen[3]
            alpha = min(max(visible * seen[3] + behind * opacity, ZERO), ONE)
            person[start + n, 3] = alpha
            for c in range(3):
                own = torso[c] + opacity * more[c]
                under = own + (ONE - opacity) * (torso[4 + c] + more[4 + c])
                rgb[start + n, c] = min(max(visible * seen[c] + behind * under, ZERO), ONE)
                # Over the one background it was learnt over, a torso may shine where it is not.
                person[start + n, c] = min(max(visible * seen[c] + behind * own, ZERO), alpha)
