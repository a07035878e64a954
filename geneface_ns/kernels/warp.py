"""The inverse of a motion on a volume: the twin of the torch lines of `scene.warp.LandmarkWarp.volumes`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from geneface_ns.kernels.run import fast_kernel
from geneface_ns.kernels.vectors import FEW, ONE, ZERO, blend_few, node_before


def inverse_motion(forward: Tensor, box: Tensor, iterations: int) -> Tensor:
    """Solve s(y) = -D(y + s(y)) for every node y of a volume by fixed-point iteration.

    Args:
        forward: [B, 3, R, R, R] the motion D on the nodes, units; indexed z, y, x.
        box: [2, 3] the first and the last node's place.

    Returns:
        s, as `forward`.
    """
    result = torch.empty_like(forward, memory_format=torch.contiguous_format)
    per_unit = ((forward.shape[-1] - 1) / (box[1] - box[0])).numpy()
    _invert(forward.contiguous().numpy(), per_unit, iterations, result.numpy())
    return result


@fast_kernel
def _invert(forward, per_unit, iterations, result):  # type: ignore[no-untyped-def]
    size = forward.shape[2]
    node, row, layer = 4 * FEW, 4 * FEW * size, 4 * FEW * size * size
    motion, value = np.zeros((size, size, size, FEW), np.float32), np.zeros(FEW, np.float32)
    target, table = value.ctypes.data, motion.ctypes.data
    for frame in range(len(forward)):
        for c in range(3):
            motion[..., c] = forward[frame, c]
        for z in range(size):
            for y in range(size):
                for x in range(size):
                    for c in range(3):
                        value[c] = forward[frame, c, z, y, x]
                    for _ in range(iterations - 1):
                        i, u = node_before(np.float32(x) - value[0] * per_unit[0], size)
                        j, v = node_before(np.float32(y) - value[1] * per_unit[1], size)
                        k, w = node_before(np.float32(z) - value[2] * per_unit[2], size)
                        value[:] = ZERO
                        here = table + k * layer + j * row + i * node
                        blend_few(target, here, node, row, u, v, ONE - w)
                        blend_few(target, here + layer, node, row, u, v, w)
                    for c in range(3):
                        result[frame, c, z, y, x] = -value[c]
