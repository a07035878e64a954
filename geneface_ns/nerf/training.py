"""What the two stages of training (`scene.stages`) are for `geneface`. Plain torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from geneface_ns.nerf.losses import LossConfig, head_losses
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.nerf.volume import distortion
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import Rays
from geneface_ns.scene.stages import TORSO_RATES, generator_of, grids_and_networks, let_learn, need_finite
from geneface_ns.scene.torso_loss import torso_losses
from geneface_ns.scene.truth import Truth

LEARNING_RATES = {"head_grids": 1e-2, "head_networks": 2e-3, **TORSO_RATES}
"""Adam's, for each group of `parameter_groups`."""
PRUNE_EVERY = 16
"""Steps between two prunings of the occupancy."""


@dataclass
class StageConfig:
    """How the steps of a run are shared, and how its rays are sampled at first."""

    head_steps: int = 1000
    """Steps of the head stage; set by the trainer."""
    coarse_sample_step: float = 0.08
    """Distance between samples during the coarse steps, before empty space is known, face widths."""
    coarse_steps: int = 200
    """Steps with coarse samples."""
    occupancy_threshold: float = 0.03
    """Weight in a pixel under which a cell counts as empty."""
    settle_steps: int = 800
    """Steps until the first fog has cleared. Cells are forgotten within a hundred steps until then, and within a few
    passes over all frames afterwards."""
    open_every: int = 96
    """One ray in so many looks through the whole box: what few frames show finds its cells there, and fog in cells
    thought to be empty is seen and cleared."""


class Rendered(NamedTuple):
    """N rays rendered as the stage needs them."""

    colour: Tensor
    """[N, 3] of the head, premultiplied."""
    opacity: Tensor
    """[N, 1] of the head."""
    spread: Tensor
    """Scalar: `volume.distortion`."""
    torso: Tensor | None
    """[N, 4] as `lay_over` takes it; None in the head stage, which does without."""
    torso_opacity: Tensor | None
    """[N, 1] over the background; None in the head stage."""
    rgb: Tensor | None
    """[N, 3]; None in the head stage."""


def in_head_stage(step: int, config: StageConfig) -> bool:
    """Whether the head learns in this step; otherwise the torso does."""
    return step < config.head_steps


def render_rays(portrait: Portrait, rays: Rays, step: int, config: StageConfig, rank: int = 0) -> Rendered:
    """Render drawn rays; differentiable in the parameters that the stage trains, while `portrait` is in training mode.

    Notes in the occupancy what weighs something.

    Args:
        rank: of this process among several, each of which jitters its samples in its own way.
    """
    head_learns = portrait.training and in_head_stage(step, config)
    times, frame = torch.unique(rays.times, return_inverse=True)
    condition = portrait.table(times)
    is_coarse = portrait.training and step < config.coarse_steps
    with torch.set_grad_enabled(head_learns):
        head = portrait.render_head(
            *(condition, rays.origins, rays.directions, frame),
            step=config.coarse_sample_step if is_coarse else None,
            jitter=generator_of(rays.origins.device, step, rank, purpose=1) if portrait.training else None,
            open_every=config.open_every if head_learns else 0,
        )
    if head_learns and step >= config.coarse_steps // 2:
        portrait.occupancy.note(head.samples.points, head.weight.detach())
    spread = distortion(head.samples, head.weight)
    if head_learns:
        return Rendered(head.colour, head.opacity, spread, None, None, None)
    torso = portrait.render_torso(condition, rays.pixel, frame, torch.cat([head.colour, head.opacity], dim=1))
    underlay = torso.underlay
    rgb = lay_over(head.colour, head.opacity, underlay)
    return Rendered(head.colour, head.opacity, spread, underlay, torso.torso[:, 3:], rgb)


def losses(rendered: Rendered, truth: Truth, step: int, stages: StageConfig, config: LossConfig) -> dict[str, Tensor]:
    """The terms of the stage that `step` belongs to.

    Raises:
        NotFinite: a term is not; the message names it and the step.
    """
    if in_head_stage(step, stages):
        terms = head_losses(rendered.colour, rendered.opacity, rendered.spread, truth, config)
    else:
        assert rendered.rgb is not None
        assert rendered.torso is not None
        assert rendered.torso_opacity is not None
        terms = torso_losses(rendered.rgb, rendered.torso, rendered.torso_opacity, truth, config)
    return need_finite(terms, step)


def set_stage(portrait: Portrait, step: int, config: StageConfig) -> None:
    """Let learn what the step's stage trains, and freeze the rest."""
    let_learn(portrait.head, portrait.torso, in_head_stage(step, config))


def prune(portrait: Portrait, step: int, config: StageConfig, passes: float) -> None:
    """Drop cells that weigh nothing. To be called after each step; acts after every PRUNE_EVERY-th of the head stage.

    Args:
        passes: over all training frames that PRUNE_EVERY steps make.
    """
    if step % PRUNE_EVERY or step < config.coarse_steps or not in_head_stage(step, config):
        return
    if dist.is_initialized():
        dist.all_reduce(portrait.occupancy.weight, dist.ReduceOp.MAX)
    # Fog that has just cleared must go soon; later, a laugh that was seen a minute ago must stay.
    portrait.occupancy.prune(config.occupancy_threshold, 0.5 if step < config.settle_steps else 0.5 ** min(passes, 1))


def parameter_groups(portrait: Portrait) -> dict[str, list[Parameter]]:
    """All parameters, under the names of LEARNING_RATES."""
    return grids_and_networks(portrait.head, "head") | grids_and_networks(portrait.torso, "torso")
