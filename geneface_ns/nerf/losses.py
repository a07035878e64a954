"""What the two stages of training minimise, as pure functions of rendered and real rays."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.truth import Truth


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
