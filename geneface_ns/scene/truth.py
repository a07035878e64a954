"""What pixels really look like: what a head is trained towards."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from geneface_ns.scene.prepared import COVER, NECK, SOLID_HEAD, unpack_head


class Truth(NamedTuple):
    """What N drawn pixels really look like, all in [0, 1]."""

    image: Tensor
    """[N, 3]."""
    underlay: Tensor
    """[N, 4] what lies behind the head, and how much of it lies before the head."""
    head: Tensor
    """[N, 1] how much of the pixel is head."""
    shown: Tensor
    """[N, 1] how much of the head would be seen there. All of it where the torso lies before it and no neck can be:
    nothing of the head belongs there, though it would be hidden."""
    trust: Tensor
    """[N, 1] weight against a seen pixel: a guessed one weighs less."""

    def to(self, device: torch.device | str) -> Truth:
        """All of it on a device."""
        return Truth(*(x.to(device, non_blocking=True) for x in self))


def psnr(rendered: Tensor, real: Tensor) -> Tensor:
    """Peak signal to noise ratio of pictures in [0, 1], dB."""
    return -10 * torch.log10(F.mse_loss(rendered, real).clamp_min(1e-10))


def truth_of_head(packed: Tensor, neck_trust: float, random_underlay: float, generator: torch.Generator) -> Truth:
    """Pixels as the head learns from them.

    Args:
        packed: uint8 [N, 8] of `Prepared.pixels`.
        neck_trust: weight of a continued pixel of the neck against a seen one.
        random_underlay: part of the pixels in the middle of the head that lie over a random colour: a head that the
            wall's brightness shines through is told from an opaque one.
    """
    values = packed[:, :7].float() / 255
    image, behind, before = values[:, :3], values[:, 3:6], values[:, 6:]
    head, kind = unpack_head(packed[:, 7:])
    is_neck, is_solid = kind == NECK, kind == SOLID_HEAD
    shade = torch.rand(len(packed), 4, generator=generator, device=packed.device)
    over_shade = is_solid & (shade[:, 3:] < random_underlay)
    return Truth(
        image=torch.where(is_neck, behind, image),
        underlay=torch.cat(
            [
                torch.where(over_shade, shade[:, :3], torch.where(is_neck, image, behind)),
                before.masked_fill(is_neck, 0),
            ],
            dim=1,
        ),
        head=head.masked_fill(is_neck, 1),
        shown=torch.where(kind == COVER, 1.0, 1 - before).masked_fill(is_neck, 1),
        trust=torch.where(is_neck, neck_trust, 1.0),
    )
