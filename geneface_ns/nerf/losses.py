"""What the head's stage of training minimises, as a pure function of rendered and real rays."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.torso_loss import TorsoLossConfig
from geneface_ns.scene.truth import Truth


@dataclass
class LossConfig(TorsoLossConfig):
    """Weights of the loss terms."""

    mask_loss: float = 1e-3
    """Weight of the squared error between the head's opacity and its mask."""
    cover_loss: float = 2e-2
    """Weight of the head's squared opacity where the torso lies before it and no neck can be: no picture shows it, but
    the head's layer alone does."""
    distortion_loss: float = 5e-3
    """Weight of the spread of a ray's weights along it, face widths."""


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
