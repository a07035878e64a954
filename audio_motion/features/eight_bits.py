"""Weights in eight bits: a quarter of the size, each row of a matrix with its own scale."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_SCALE = ".scale"


def quantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels [out, ...] as int8 with a float32 scale [out] beside them; the rest in half precision."""
    packed = {}
    for name, value in tensors.items():
        if value.dim() < 2:
            packed[name] = value.half()
            continue
        rows = value.float().flatten(1)
        scale = rows.abs().amax(dim=1).clamp(min=1e-12) / 127
        packed[name] = (rows / scale[:, None]).round().to(torch.int8).view_as(value)
        packed[name + _SCALE] = scale
    return packed


def restored(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turns `quantised` round, to within half a step: all float32."""
    tensors = {}
    for name, value in packed.items():
        if name.endswith(_SCALE):
            continue
        scale = packed.get(name + _SCALE)
        rows = value.float()
        tensors[name] = rows if scale is None else (rows.flatten(1) * scale[:, None]).view_as(rows)
    return tensors
