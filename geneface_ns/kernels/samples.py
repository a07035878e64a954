"""Samples along rays in occupied cells: the twin of the torch lines of `nerf.occupancy.Occupancy.sample`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from geneface_ns.kernels.run import kernel


def occupied_samples(
    origins: Tensor,
    directions: Tensor,
    span: tuple[Tensor, Tensor],
    shift: Tensor,
    step: float,
    box: Tensor,
    occupied: Tensor,
    open_every: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Samples every `step` inside the box, those in occupied cells.

    Args:
        origins, directions: [N, 3].
        span: near and far, [N].
        shift: [N] of each ray's samples, in steps.
        box: [2, 3]; occupied: bool [R, R, R], indexed z, y, x.
        open_every: one ray in so many is sampled in empty cells as well; 0: none.

    Returns:
        points [M, 3], ray int64 [M], depth [M], and int64 [N + 1] where each ray's samples begin.
    """
    near, far = span
    lines = (
        *(x.detach().contiguous().numpy() for x in (origins, directions, near, far, shift)),
        *(np.float32(step), box.numpy(), occupied.contiguous().numpy(), open_every),
    )
    first = torch.zeros(len(near) + 1, dtype=torch.int64)
    nothing = (torch.empty(0, 3).numpy(), torch.empty(0, dtype=torch.int64).numpy(), torch.empty(0).numpy())
    _march(*lines, False, first.numpy(), *nothing)
    first = first.cumsum(0)
    total = int(first[-1])
    points, ray, depth = torch.empty(total, 3), torch.empty(total, dtype=torch.int64), torch.empty(total)
    _march(*lines, True, first.numpy(), points.numpy(), ray.numpy(), depth.numpy())
    return points, ray, depth, first


@kernel
def _cell(place, low, scale, resolution):  # type: ignore[no-untyped-def]
    unit = (place - low) * scale - np.float32(1) + np.float32(1)
    return min(max(int(unit * np.float32(0.5 * resolution)), 0), resolution - 1)


@kernel
def _march(  # type: ignore[no-untyped-def]
    origins, directions, near, far, shift, step, box, occupied, open_every, fill, first, points, ray, depths
):
    """Write the rays' samples; where not `fill`, only how many each has, one place up in `first`."""
    resolution = len(occupied)
    scale = np.float32(2) / (box[1] - box[0])
    for n in range(len(near)):
        is_open = open_every > 0 and n % open_every == 0
        slot, count = 0, 0
        while True:
            depth = near[n] + (np.float32(slot) + shift[n]) * step
            slot += 1
            if not depth < far[n]:
                break
            x = origins[n, 0] + depth * directions[n, 0]
            y = origins[n, 1] + depth * directions[n, 1]
            z = origins[n, 2] + depth * directions[n, 2]
            column = _cell(x, box[0, 0], scale[0], resolution)
            row = _cell(y, box[0, 1], scale[1], resolution)
            if is_open or occupied[_cell(z, box[0, 2], scale[2], resolution), row, column]:
                if fill:
                    place = first[n] + count
                    points[place, 0], points[place, 1], points[place, 2] = x, y, z
                    ray[place], depths[place] = n, depth
                count += 1
        if not fill:
            first[n + 1] = count
