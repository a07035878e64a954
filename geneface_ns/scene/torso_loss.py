"""What the torso's stage of training minimises, as a pure function of rendered and real pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from geneface_ns.scene.truth import Truth


@dataclass
class TorsoLossConfig:
    """Weights of the torso's loss terms."""

    underlay_loss: float = 0.1
    """Weight of the torso's error against the capture's own layer, where the head hides it and where it covers the
    head."""
    torso_mask_loss: float = 1e-2
    """Weight of the squared error between the torso's opacity and its mask, where no head is: the pictures alone do not
    tell an opaque torso from a translucent one over a background that never changes."""


def torso_losses(
    rgb: Tensor, torso: Tensor, torso_opacity: Tensor, truth: Truth, config: TorsoLossConfig
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
