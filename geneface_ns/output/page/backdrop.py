"""What lies behind a page's head: the torso as a picture that the body moves, over the background.

A trained torso is a field that sees head and body and needs its network in every pixel. A page shows what that field
says of one filmed frame, and moves it as the body moves; what the field adds while the head turns is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import invert_affine
from geneface_ns.scene.torso import REACH
from geneface_ns.splat.portrait import SplatPortrait


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
def backdrop_of(portrait: SplatPortrait, threads: int) -> Backdrop:
    """What a portrait's torso field says of the filmed frame whose pose is nearest to the mean.

    Args:
        threads: of the rasteriser.
    """
    table, (width, height) = portrait.table, portrait.camera.size
    typical = int((table.c2w - table.c2w.mean(dim=0)).square().sum(dim=(1, 2)).argmin())
    condition = Condition(*(x[typical : typical + 1] for x in (table.landmarks, table.eyes, table.c2w, table.body)))
    left, top = (round((REACH - 1) / 2 * side) for side in portrait.camera.size)
    box = (-left, -top, width + left, height + top)
    colour, opacity = portrait.draw_head(condition, threads, box)
    rows, columns = colour.shape[:2]
    across = (torch.arange(-left, width + left) + 0.5) / width * 2 - 1
    down = (torch.arange(-top, height + top) + 0.5) / height * 2 - 1
    pixel = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1).view(-1, 2)
    head = torch.cat([colour, opacity], dim=2).view(-1, 4)
    layers = portrait.render_torso(condition, pixel, torch.zeros(len(pixel), dtype=torch.long), head)
    parts = layers.torso, layers.background, layers.before_head
    torso, background, before_head = (x.clamp(0, 1).view(rows, columns, -1) for x in parts)
    return Backdrop(torso, background, before_head, condition.body[0], (columns / width, rows / height))
