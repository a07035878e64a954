"""One training, two stages: the head first, then the head-aware torso with the head frozen. Plain torch.

What is trained in a step, and how fast, follows from the step alone, so that a resumed run goes on where it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from geneface_ns.nerf.losses import LossConfig, head_losses, torso_losses
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.nerf.volume import distortion
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.truth import Truth

LEARNING_RATES = {"head_grids": 1e-2, "head_networks": 2e-3, "torso_grids": 5e-3, "torso_networks": 2e-3}
"""Adam's, for each group of `parameter_groups`."""
HEAD_SHARE = 0.75
"""Of a run's steps, for the head; the rest is the torso's."""
PRUNE_EVERY = 16
"""Steps between two prunings of the occupancy."""
ADAM_EPS = 1e-15
"""Added to Adam's denominator; tiny, because plane features see tiny gradients."""


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


def generator_of(device: torch.device, step: int, rank: int = 0, purpose: int = 0) -> torch.Generator:
    """Randomness that follows from step, process and purpose alone, so that nothing needs to be kept to resume."""
    seed = np.random.SeedSequence((step, rank, purpose)).generate_state(2)
    return torch.Generator(device).manual_seed(int(seed[0]) << 31 | int(seed[1]) >> 1)


class Rays(NamedTuple):
    """N rays of the capture's own cameras."""

    times: Tensor
    """[N] of their frames, 0 first and 1 last."""
    origins: Tensor
    """[N, 3], head frame."""
    directions: Tensor
    """[N, 3]."""
    pixel: Tensor
    """[N, 2], the image being [-1, 1]^2, y down."""

    def to(self, device: torch.device | str) -> Rays:
        """All of it on a device."""
        return Rays(*(x.to(device, non_blocking=True) for x in self))


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
        FloatingPointError: a term is not finite; the message names it and the step.
    """
    if in_head_stage(step, stages):
        terms = head_losses(rendered.colour, rendered.opacity, rendered.spread, truth, config)
    else:
        assert rendered.rgb is not None
        assert rendered.torso is not None
        assert rendered.torso_opacity is not None
        terms = torso_losses(rendered.rgb, rendered.torso, rendered.torso_opacity, truth, config)
    for name, value in terms.items():
        if not torch.isfinite(value):
            raise FloatingPointError(
                f"loss term {name!r} is {value.item()} at step {step}; resume from the last checkpoint with --load-dir"
            )
    return terms


def set_stage(portrait: Portrait, step: int, config: StageConfig) -> None:
    """Let learn what the step's stage trains, and freeze the rest."""
    head = in_head_stage(step, config)
    for part, learns in ((portrait.head, head), (portrait.torso, not head)):
        for parameter in part.parameters():
            parameter.requires_grad_(learns)


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
    groups: dict[str, list[Parameter]] = {}
    for part in ("head", "torso"):
        for name, parameter in getattr(portrait, part).named_parameters():
            is_grid = any(word in name for word in ("planes", "latents", "picture"))
            groups.setdefault(f"{part}_{'grids' if is_grid else 'networks'}", []).append(parameter)
    return groups


def learning_rate_factor(step: int, start: int, end: int, warm_up: int = 50, final: float = 0.03) -> float:
    """Warm-up over some steps from a tenth, then half a cosine down to `final`, between two steps of the run."""
    since = step - start
    progress = min(max(since / max(end - start, 1), 0.0), 1.0)
    rising = min(max(0.1 + 0.9 * since / max(warm_up, 1), 0.1), 1.0)
    return rising * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))


def stage_span(group: str, head_steps: int, steps: int) -> tuple[int, int]:
    """First and last step in which a parameter group learns."""
    return (head_steps, steps) if group.startswith("torso") else (0, head_steps)
