"""What the two stages of training (`scene.stages`) are for `geneface-splat`. Plain torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import Rays
from geneface_ns.scene.stages import TORSO_RATES, grids_and_networks, need_finite
from geneface_ns.scene.torso_loss import TorsoLossConfig, torso_losses
from geneface_ns.scene.truth import Truth
from geneface_ns.splat.draws import Part
from geneface_ns.splat.frozen_heads import FrozenHeads
from geneface_ns.splat.head import SplatHead
from geneface_ns.splat.portrait import SplatPortrait

HEAD_SHARE = 2 / 3
"""Of a run's steps, for the head: with a quarter for the torso, it was the torso that the whole picture lacked."""
HEAD_RATES = {
    "means": 3e-4,
    "quats": 2e-3,
    "scales": 5e-3,
    "opacities": 2e-2,
    "colors": 4e-3,
    "pose_colors": 1e-3,
    "mouth_basis": 5e-3,
    "eyes_basis": 5e-3,
    "network": 1e-3,
}
"""Adam's at first, for each of the head's parameters."""
LEARNING_RATES = {**HEAD_RATES, **TORSO_RATES}
"""Adam's at first, for each group of `parameter_groups`."""


@dataclass
class SplatLossConfig(TorsoLossConfig):
    """Weights of the loss terms."""

    mask_loss: float = 2e-3
    """Weight of the squared error between the head's opacity and its mask."""
    cover_loss: float = 2e-2
    """Weight of the head's squared opacity where the torso lies before it and no neck can be."""
    basis_decay: float = 1e-4
    """Weight of the basis' mean square: what no picture asks for stays as it is."""


class Rendered(NamedTuple):
    """N pixels rendered as the stage needs them."""

    colour: Tensor
    """[N, 3] of the head, premultiplied."""
    opacity: Tensor
    """[N, 1] of the head."""
    torso: Tensor | None = None
    """[N, 4] as `lay_over` takes it; None in the head stage, which does without."""
    torso_opacity: Tensor | None = None
    """[N, 1] over the background; None in the head stage."""
    rgb: Tensor | None = None
    """[N, 3]; None in the head stage."""


def render_part(portrait: SplatPortrait, part: Part, threads: int) -> Rendered:
    """The head in a part of a picture, row by row; differentiable in the head's parameters.

    Args:
        threads: of the rasteriser.
    """
    colour, opacity = portrait.draw_head(portrait.table(part.time), threads, part.box)
    return Rendered(colour.view(-1, 3), opacity.view(-1, 1))


def render_rays(portrait: SplatPortrait, heads: FrozenHeads, rays: Rays, threads: int) -> Rendered:
    """All of some pixels of the capture's own pictures; differentiable in the torso's parameters.

    Args:
        heads: the portrait's.
        threads: of the rasteriser.
    """
    times, frame = torch.unique(rays.times, return_inverse=True)
    head = heads.at(rays, threads)
    torso = portrait.render_torso(portrait.table(times), rays.pixel, frame, head)
    rgb = lay_over(head[:, :3], head[:, 3:], torso.underlay)
    return Rendered(head[:, :3], head[:, 3:], torso.underlay, torso.torso[:, 3:], rgb)


def losses(rendered: Rendered, truth: Truth, head: SplatHead, step: int, config: SplatLossConfig) -> dict[str, Tensor]:
    """The terms of the stage that something was rendered for.

    Raises:
        NotFinite: a term is not; the message names it and the step.
    """
    if rendered.rgb is None:
        terms = head_losses(rendered.colour, rendered.opacity, truth, config)
        terms["basis"] = config.basis_decay * (head.mouth_basis.square().mean() + head.eyes_basis.square().mean())
    else:
        assert rendered.torso is not None
        assert rendered.torso_opacity is not None
        terms = torso_losses(rendered.rgb, rendered.torso, rendered.torso_opacity, truth, config)
    return need_finite(terms, step)


def head_losses(colour: Tensor, opacity: Tensor, truth: Truth, config: SplatLossConfig) -> dict[str, Tensor]:
    """Of N pixels of the head over the capture's own underlay: [N, 3] premultiplied, [N, 1]."""
    error = lay_over(colour, opacity, truth.underlay) - truth.image
    wrong = (opacity * truth.shown - truth.head).square()
    covered = truth.underlay[:, 3:] * truth.shown
    return {
        "rgb": (truth.trust * (error.square() + 0.02 * error.abs())).mean(),
        "mask": ((config.mask_loss + config.cover_loss * covered) * truth.trust * wrong).mean(),
    }


def parameter_groups(portrait: SplatPortrait) -> dict[str, list[Parameter]]:
    """All parameters, under the names of LEARNING_RATES."""
    groups: dict[str, list[Parameter]] = {name: [] for name in HEAD_RATES}
    for name, parameter in portrait.head.named_parameters():
        groups[name.split(".")[0]].append(parameter)
    return groups | grids_and_networks(portrait.torso, "torso")
