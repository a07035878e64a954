"""What lies behind a page's head: the torso as a picture that the body moves, over the background.

A trained torso is a field that sees head and body and needs its network in every pixel. A page shows what that field
says of one filmed frame, and moves it as the body moves; what the field adds while the head turns is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import invert_affine, motion_features
from geneface_ns.scene.torso import REACH, TorsoField
from geneface_ns.splat.head import SplatHead, draw_head


class Backdrop(NamedTuple):
    """Pictures of one frame that go on beyond the image, to where the torso is known."""

    torso: Tensor
    """[H, W, 4] in [0, 1]: premultiplied colour, and opacity."""
    background: Tensor
    """[H, W, 3] in [0, 1]."""
    before_head: Tensor
    """[H, W, 1] in [0, 1]: how much of the pixel is torso that covers the head."""
    body: Tensor
    """[2, 3] the body's motion in that frame, the image as [-1, 1]^2."""
    reach: tuple[float, float]
    """Width and height of the pictures, images."""

    def looked_up(self, body: Tensor) -> Tensor:
        """Where in these pictures a frame's torso is: [B, 2, 3] -> affine motion [B, 2, 3] of the frame's positions."""
        back, (linear, moved) = invert_affine(body), self.body.split([2, 1], dim=1)
        return torch.cat([linear @ back[..., :2], linear @ back[..., 2:] + moved], dim=2)


@torch.no_grad()
def backdrop_of(torso: TorsoField, head: SplatHead, camera: Pinhole, condition: Condition, threads: int) -> Backdrop:
    """What a torso field says of one frame.

    Args:
        camera: at the size that the pictures are to have within the image.
        condition: of that frame, B = 1.
        threads: of the rasteriser.
    """
    width, height = camera.size
    left, top = (round((REACH - 1) / 2 * side) for side in camera.size)
    box = (-left, -top, width + left, height + top)
    colour, opacity = draw_head(head(condition), camera, condition.c2w[0], threads, box)
    rows, columns = colour.shape[:2]
    across = (torch.arange(-left, width + left) + 0.5) / width * 2 - 1
    down = (torch.arange(-top, height + top) + 0.5) / height * 2 - 1
    pixel = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1).view(-1, 2)
    layers = torso(
        pixel,
        torch.zeros(len(pixel), dtype=torch.long),
        invert_affine(condition.body),
        motion_features(condition.c2w, condition.body),
        torch.cat([colour, opacity], dim=2).view(-1, 4),
    )
    parts = layers.torso, layers.background, layers.before_head
    torso_picture, background, before_head = (x.clamp(0, 1).view(rows, columns, -1) for x in parts)
    return Backdrop(torso_picture, background, before_head, condition.body[0], (columns / width, rows / height))


def most_typical(c2w: Tensor) -> int:
    """Of the poses [F, 4, 4] the one nearest to their mean."""
    return int((c2w - c2w.mean(dim=0)).square().sum(dim=(1, 2)).argmin())
