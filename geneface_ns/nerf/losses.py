"""What the two stages of training minimise, as pure functions of rendered and real rays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from geneface_ns.scene.compositing import lay_over


@dataclass
class LossConfig:
    """Weights of the loss terms."""

    mask_loss: float = 1e-3
    """Weight of the squared error between the head's opacity and its mask."""
    cover_loss: float = 2e-2
    """Weight of the head's squared opacity where the torso lies before it and no neck can be: no picture shows it, but
    the head's layer alone does."""
    distortion_loss: float = 5e-3
    """Weight of the spread of a ray's weights along it, face widths."""
    underlay_loss: float = 0.1
    """Weight of the torso's error against the capture's own layer, where the head hides it and where it covers the
    head."""
    torso_mask_loss: float = 1e-2
    """Weight of the squared error between the torso's opacity and its mask, where no head is: the pictures alone do not
    tell an opaque torso from a translucent one over a background that never changes."""


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


def head_losses(colour: Tensor, opacity: Tensor, spread: Tensor, truth: Truth, config: LossConfig) -> dict[str, Tensor]:
    """Terms of the head stage: the head over the capture's own underlay.

    Args:
        colour: [N, 3] premultiplied; opacity: [N, 1].
        spread: scalar, `volume.distortion`.
    """
    error = (lay_over(colour, opacity, truth.underlay) - truth.image).square()
    wrong = (opacity * truth.shown - truth.head).square()
    covered = truth.underlay[:, 3:] * truth.shown
    return {
        "rgb": (truth.trust * error).mean(),
        "mask": ((config.mask_loss + config.cover_loss * covered) * truth.trust * wrong).mean(),
        "distortion": config.distortion_loss * spread,
    }


def torso_losses(
    rgb: Tensor, torso: Tensor, torso_opacity: Tensor, truth: Truth, config: LossConfig
) -> dict[str, Tensor]:
    """Terms of the torso stage.

    Args:
        rgb: [N, 3] the whole picture.
        torso: [N, 4] what the torso field says lies behind and before the head.
        torso_opacity: [N, 1].
    """
    wrong = (1 - truth.head) * (torso_opacity - truth.underlay[:, 3:]).square()
    return {
        "rgb": F.mse_loss(rgb, truth.image),
        "torso_mask": config.torso_mask_loss * wrong.mean(),
        "underlay": config.underlay_loss * F.mse_loss(torso, truth.underlay),
    }
