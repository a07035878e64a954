"""Interpolation in learned grids through `grid_sample`: planes and volumes, shared or one set a frame.

Plain torch, so that it needs no extension, runs on any device and is differentiable everywhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

AXES = ((0, 1), (0, 2), (1, 2))
"""The coordinate pairs that the three planes span."""


def interpolate_planes(planes: Tensor, points: Tensor) -> Tensor:
    """Sum of the bilinear values of three planes (the tri-plane of EG3D, Chan et al., CVPR 2022).

    Args:
        planes: [3, C, R, R]; corner samples lie on the box's faces.
        points: [N, 3] in [-1, 1].

    Returns:
        [N, C]; differentiable in planes and points.
    """
    grid = torch.stack([points[:, pair] for pair in AXES])  # [3, N, 2]
    values = F.grid_sample(planes, grid[:, :, None], align_corners=True, padding_mode="border")
    return values[..., 0].sum(dim=0).T


def interpolate_frame_planes(planes: Tensor, points: Tensor, frame: Tensor) -> Tensor:
    """As `interpolate_planes`, each point in the planes of its own frame.

    Args:
        planes: [B, 3, C, R, R].
        points: [N, 3] in [-1, 1].
        frame: int64 [N], index into B.

    Returns:
        [N, C].
    """
    batch, _, channels, rows, columns = planes.shape
    # The frames' planes stand above each other in one tall plane; clamped rows never mix two frames.
    tall = planes.permute(1, 2, 0, 3, 4).reshape(3, channels, batch * rows, columns)
    inside = points.clamp(-1, 1)
    grid = torch.stack([inside[:, pair] for pair in AXES])
    row = (grid[..., 1] + 1) * (0.5 * (rows - 1)) + frame * rows
    grid = torch.stack([grid[..., 0], row * (2 / max(batch * rows - 1, 1)) - 1], dim=-1)
    values = F.grid_sample(tall, grid[:, :, None], align_corners=True, padding_mode="border")
    return values[..., 0].sum(dim=0).T


def interpolate_frame_volumes(volumes: Tensor, points: Tensor, frame: Tensor) -> Tensor:
    """Trilinear value of each point in the volume of its own frame.

    Args:
        volumes: [B, C, D, H, W], indexed z, y, x.
        points: [N, 3] (x, y, z) in [-1, 1]; outside, the border's value holds.
        frame: int64 [N], index into B.

    Returns:
        [N, C].
    """
    batch, channels, depth, height, width = volumes.shape
    deep = volumes.permute(1, 0, 2, 3, 4).reshape(1, channels, batch * depth, height, width)
    inside = points.clamp(-1, 1)
    layer = (inside[:, 2] + 1) * (0.5 * (depth - 1)) + frame * depth
    grid = torch.stack([inside[:, 0], inside[:, 1], layer * (2 / max(batch * depth - 1, 1)) - 1], dim=-1)
    # grid_sample runs one thread for each batch entry: halve the points over two entries.
    odd = grid.shape[0] % 2
    halves = F.pad(grid, (0, 0, 0, odd)).reshape(2, 1, 1, -1, 3)
    values = F.grid_sample(deep.expand(2, -1, -1, -1, -1), halves, align_corners=True, padding_mode="border")
    return values.permute(0, 4, 1, 2, 3).reshape(-1, channels)[: grid.shape[0]]


def to_unit(points: Tensor, box: Tensor) -> Tensor:
    """Map `box` [2, 3] to [-1, 1]^3: [N, 3] -> [N, 3]."""
    return (points - box[0]) * (2 / (box[1] - box[0])) - 1
