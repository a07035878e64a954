"""Volume rendering: stateless functions of the samples along rays; by kernels on a CPU, else in plain torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geneface_ns.kernels.run import usable
from geneface_ns.kernels.volume import Accumulate, Distortion, RenderWeights


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
    """Occupied samples of R rays, M in all."""

    points: Tensor
    """[M, 3], ordered by ray, then by depth."""
    ray: Tensor
    """int64 [M]."""
    depth: Tensor
    """[M] distance along the ray."""
    first: Tensor
    """int64 [R + 1]: where each ray's samples begin, and M."""
    step: float
    """Distance between samples."""

    def table(self, values: Tensor) -> Tensor:
        """Values [M] as one row a ray, [R, S], in the order of depth, filled up with zeros."""
        widest = int((self.first[1:] - self.first[:-1]).amax()) if len(self.first) > 1 else 0
        return values.new_zeros(len(self.first) - 1, widest).index_put(self.places(), values)

    def places(self) -> tuple[Tensor, Tensor]:
        """Row and column [M] of each sample in `table`."""
        return self.ray, torch.arange(len(self.ray), device=self.ray.device) - self.first[self.ray]


def render_weights(samples: Samples, density: Tensor) -> Tensor:
    """How much each sample weighs in its pixel (emission-absorption, Max, TVCG 1995).

    Args:
        density: [M] per unit length.

    Returns:
        [M]; differentiable in density.
    """
    if usable(density):
        return RenderWeights.apply(density, samples.first, samples.step)
    optical = samples.table(density * samples.step)
    before = optical.cumsum(dim=1) - optical
    return (torch.exp(-before) * -torch.expm1(-optical))[samples.places()]


def accumulate(samples: Samples, weight: Tensor, colour: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum weighted samples along their rays.

    Args:
        weight: [M]; colour: [M, 3].

    Returns:
        colour [R, 3] premultiplied by opacity, opacity [R], depth [R] premultiplied; differentiable in both.
    """
    values = torch.cat([colour, torch.ones_like(weight)[:, None], samples.depth[:, None]], dim=1)
    if usable(weight, values):
        sums = Accumulate.apply(weight, values, samples.first)
    else:
        sums = weight.new_zeros(len(samples.first) - 1, 5).index_add(0, samples.ray, values * weight[:, None])
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
    if usable(weight):
        return Distortion.apply(weight, samples.depth, samples.first, samples.step) / max(len(samples.first) - 1, 1)
    dense, place = samples.table(weight), samples.table(samples.depth)
    moment = dense * place
    before, moment_before = dense.cumsum(dim=1) - dense, moment.cumsum(dim=1) - moment
    between = 2 * (moment * before - dense * moment_before).sum(dim=1)
    within = dense.square().sum(dim=1) * (samples.step / 3)
    return (between + within).mean()
