"""Where each pixel of a camera lies in the torso's picture."""

from __future__ import annotations

import torch
from torch import Tensor

from geneface_ns.scene.camera import Pinhole, project_to_capture


def board_of(own: Pinhole, camera: Pinhole, own_c2w: Tensor, c2w: Tensor | None) -> Tensor:
    """Where each pixel of a camera lies in the torso's picture, that being [-1, 1]^2: [H W, 2].

    Args:
        own: the capture's own camera.
        camera: the lens and the size wanted.
        own_c2w: [4, 4] where the capture's camera stood in this frame.
        c2w: [4, 4] where the camera stands; None: where the capture's did, whose picture the torso is a part of.
    """
    device = own_c2w.device
    width, height = camera.size
    if c2w is None:  # the same lens, seen at another size, or a part of its picture

        def along(axis: int) -> Tensor:
            places = torch.arange(camera.size[axis], device=device) + (0.5 - camera.centre[axis])
            on_own = places * (own.focal[axis] / camera.focal[axis]) + own.centre[axis]
            return on_own / own.size[axis] * 2 - 1

        return torch.stack(torch.meshgrid(along(0), along(1), indexing="xy"), dim=-1).reshape(-1, 2)
    directions = camera.directions(torch.arange(width * height, device=device), c2w)
    half = torch.tensor(own.size, device=device) / 2
    return project_to_capture(
        *(c2w[:3, 3].expand_as(directions), directions, own_c2w),
        torch.tensor(own.focal, device=device) / half,
        torch.tensor(own.centre, device=device) / half - 1,
    )
