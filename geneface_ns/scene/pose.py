"""Head pose and body motion as vectors."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation_to_vector(rotation: Tensor) -> Tensor:
    """Axis times angle of rotations below 180 degrees: [B, 3, 3] -> [B, 3]."""
    skew = torch.stack(
        [
            rotation[:, 2, 1] - rotation[:, 1, 2],
            rotation[:, 0, 2] - rotation[:, 2, 0],
            rotation[:, 1, 0] - rotation[:, 0, 1],
        ],
        dim=1,
    )
    sine = 0.5 * skew.norm(dim=1)
    cosine = 0.5 * (rotation.diagonal(dim1=1, dim2=2).sum(dim=1) - 1)
    angle = torch.atan2(sine, cosine)
    return skew * (0.5 * angle / sine.clamp_min(1e-9))[:, None]


def motion_features(c2w: Tensor, body: Tensor) -> Tensor:
    """Head pose and body motion as one row: [B, 4, 4], [B, 2, 3] (image as [-1, 1]^2) -> [B, 12]."""
    return torch.cat([rotation_to_vector(c2w[:, :3, :3]), c2w[:, :3, 3], body.flatten(1)], dim=1)


def body_in_image_units(body: Tensor, width: int, height: int) -> Tensor:
    """Affine motion in pixels to the image as [-1, 1]^2 (y down): [B, 2, 3] -> [B, 2, 3]."""
    half = torch.tensor([width / 2, height / 2], dtype=body.dtype, device=body.device)
    linear = body[..., :2] * half[None, None, :] / half[None, :, None]
    moved_centre = (body[..., :2] @ half) + body[..., 2]
    return torch.cat([linear, (moved_centre / half - 1)[..., None]], dim=-1)


def invert_affine(affine: Tensor) -> Tensor:
    """[B, 2, 3] -> [B, 2, 3]."""
    inverse = torch.linalg.inv(affine[..., :2])
    return torch.cat([inverse, -(inverse * affine[..., None, :, 2]).sum(dim=-1, keepdim=True)], dim=-1)
