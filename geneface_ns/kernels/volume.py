"""Volume rendering along rays: the twins of `nerf.volume`'s functions, one loop a ray instead of padded tables.

`first` int64 [R + 1] says where each ray's samples begin; a ray's samples are ordered by depth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geneface_ns.kernels.run import kernel

TWO = np.float32(2)  # beside a Python number all would be float64


class RenderWeights(torch.autograd.Function):
    """`volume.render_weights`: density [M] -> weight [M]."""

    @staticmethod
    def forward(ctx: Any, density: Tensor, first: Tensor, step: float) -> Tensor:
        weight, left = torch.empty_like(density), torch.empty_like(density)
        _weigh(first.numpy(), density.contiguous().numpy(), np.float32(step), weight.numpy(), left.numpy())
        ctx.save_for_backward(first, weight, left)
        ctx.step = step
        return weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        first, weight, left = ctx.saved_tensors
        result = torch.empty_like(weight)
        given = gradients[0].contiguous().numpy()
        arrays = (first.numpy(), weight.numpy(), left.numpy(), given, np.float32(ctx.step), result.numpy())
        _weigh_backward(*arrays)
        return result, None, None


class Accumulate(torch.autograd.Function):
    """`volume.accumulate`: weight [M], values [M, C] -> weighted sums [R, C]."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, values: Tensor, first: Tensor) -> Tensor:
        weight, values = weight.contiguous(), values.contiguous()
        sums = torch.zeros(len(first) - 1, values.shape[1])
        _sum(first.numpy(), weight.numpy(), values.numpy(), sums.numpy())
        ctx.save_for_backward(weight, values, first)
        return sums

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, values, first = ctx.saved_tensors
        to_weight, to_values = torch.empty_like(weight), torch.empty_like(values)
        given = gradients[0].contiguous().numpy()
        arrays = (first.numpy(), weight.numpy(), values.numpy(), given, to_weight.numpy(), to_values.numpy())
        _sum_backward(*arrays)
        return to_weight, to_values, None


class Distortion(torch.autograd.Function):
    """The sum over rays of `volume.distortion`: weight [M] -> scalar."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, depth: Tensor, first: Tensor, step: float) -> Tensor:
        weight, depth = weight.contiguous(), depth.contiguous()
        spread, slope = torch.zeros(len(first) - 1), torch.empty_like(weight)
        arrays = (first.numpy(), weight.numpy(), depth.numpy(), np.float32(step), spread.numpy(), slope.numpy())
        _spread(*arrays)
        ctx.save_for_backward(slope)
        return spread.sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return slope * gradients[0], None, None, None


@kernel
def _weigh(first, density, step, weight, left):  # type: ignore[no-untyped-def]
    """Weights, and the part of the light that each sample leaves to those behind it."""
    for ray in range(len(first) - 1):
        before = np.float32(0)
        for n in range(first[ray], first[ray + 1]):
            optical = density[n] * step
            reaching = np.exp(-before)
            weight[n] = reaching * -np.expm1(-optical)
            before += optical
            left[n] = np.exp(-before)


@kernel
def _weigh_backward(first, weight, left, given, step, result):  # type: ignore[no-untyped-def]
    for ray in range(len(first) - 1):
        behind = np.float32(0)  # gradient through all samples behind, which a denser one dims
        for n in range(first[ray + 1] - 1, first[ray] - 1, -1):
            result[n] = step * (given[n] * left[n] - behind)
            behind += given[n] * weight[n]


@kernel
def _sum(first, weight, values, sums):  # type: ignore[no-untyped-def]
    for ray in range(len(first) - 1):
        for n in range(first[ray], first[ray + 1]):
            for c in range(values.shape[1]):
                sums[ray, c] += weight[n] * values[n, c]


@kernel
def _sum_backward(first, weight, values, given, to_weight, to_values):  # type: ignore[no-untyped-def]
    for ray in range(len(first) - 1):
        for n in range(first[ray], first[ray + 1]):
            total = np.float32(0)
            for c in range(values.shape[1]):
                total += given[ray, c] * values[n, c]
                to_values[n, c] = given[ray, c] * weight[n]
            to_weight[n] = total


@kernel
def _spread(first, weight, depth, step, spread, slope):  # type: ignore[no-untyped-def]
    """2 sum_{i<j} w_i w_j (d_j - d_i) + step / 3 sum w_i^2 of each ray, and its derivative by each weight."""
    third = step / np.float32(3)
    for ray in range(len(first) - 1):
        begins, ends = first[ray], first[ray + 1]
        mass, moment, total = np.float32(0), np.float32(0), np.float32(0)
        origin = depth[begins] if ends > begins else np.float32(0)
        for n in range(begins, ends):
            place = depth[n] - origin
            pulled = place * mass - moment  # sum over those before of w_i (d_n - d_i)
            total += weight[n] * (TWO * pulled + weight[n] * third)
            slope[n] = TWO * (pulled + weight[n] * third)
            mass += weight[n]
            moment += weight[n] * place
        all_mass, all_moment = mass, moment
        mass, moment = np.float32(0), np.float32(0)
        for n in range(begins, ends):
            mass += weight[n]
            moment += weight[n] * (depth[n] - origin)
            slope[n] += TWO * ((all_moment - moment) - (depth[n] - origin) * (all_mass - mass))
        spread[ray] = total
