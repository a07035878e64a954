"""Volume rendering: stateless functions of the samples along rays."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def box_span(origins: Tensor, directions: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave a box (slab test).

    Args:
        origins, directions: [N, 3].
        box: [2, 3].

    Returns:
        near, far [N]; far <= near where the ray misses.
    """
    inverse = 1 / torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    a, b = (box[0] - origins) * inverse, (box[1] - origins) * inverse
    near = torch.minimum(a, b).amax(dim=-1).clamp_min(0)
    return near, torch.maximum(a, b).amin(dim=-1)


class Samples(NamedTuple):
    """Occupied samples of R rays with S slots each, compacted to M."""

    points: Tensor
    """[M, 3], ordered by ray, then by depth."""
    ray: Tensor
    """int64 [M]."""
    depth: Tensor
    """[M] distance along the ray."""
    mask: Tensor
    """bool [R, S]: which slots the M samples fill, in row-major order."""
    step: float
    """Distance between slots."""


def render_weights(samples: Samples, density: Tensor) -> Tensor:
    """How much each sample weighs in its pixel (emission-absorption, Max, TVCG 1995).

    Args:
        density: [M] per unit length.

    Returns:
        [M]; differentiable in density.
    """
    optical = torch.zeros_like(samples.mask, dtype=density.dtype).masked_scatter(samples.mask, density * samples.step)
    before = optical.cumsum(dim=1) - optical
    return (torch.exp(-before) * -torch.expm1(-optical)).masked_select(samples.mask)


def accumulate(samples: Samples, weight: Tensor, colour: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum weighted samples along their rays.

    Args:
        weight: [M]; colour: [M, 3].

    Returns:
        colour [R, 3] premultiplied by opacity, opacity [R], depth [R] premultiplied; differentiable in both.
    """
    rows = torch.cat([colour, torch.ones_like(weight)[:, None], samples.depth[:, None]], dim=1) * weight[:, None]
    sums = weight.new_zeros(len(samples.mask), 5).index_add(0, samples.ray, rows)
    return sums[:, :3], sums[:, 3], sums[:, 4]


def distortion(samples: Samples, weight: Tensor) -> Tensor:
    """How far each ray's weight is spread along it, mean over rays (Mip-NeRF 360, Barron et al., CVPR 2022, eq. 15).

    A talking head turns by a few degrees only, which leaves its depth loose: without this a face is a fog half a head
    deep, slow to render and swimming when it turns.

    Args:
        weight: [M].

    Returns:
        Scalar, face widths; differentiable in weight.
    """
    dense = torch.zeros_like(samples.mask, dtype=weight.dtype).masked_scatter(samples.mask, weight)
    place = torch.arange(dense.shape[1], device=weight.device) * samples.step
    moment = dense * place
    before, moment_before = dense.cumsum(dim=1) - dense, moment.cumsum(dim=1) - moment
    between = 2 * (moment * before - dense * moment_before).sum(dim=1)
    within = dense.square().sum(dim=1) * (samples.step / 3)
    return (between + within).mean()
