"""The training loop in plain torch: `ns-train geneface-splat` without nerfstudio. For benchmarks and tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from geneface_ns.kernels.run import torch_alone
from geneface_ns.scene.draws import RaySource, draw_picture
from geneface_ns.scene.stages import let_learn, make_optimizer, set_rates
from geneface_ns.splat import training
from geneface_ns.splat.draws import SplatDrawConfig, draw_part
from geneface_ns.splat.frozen_heads import FrozenHeads
from geneface_ns.splat.portrait import SplatPortrait
from geneface_ns.splat.training import LEARNING_RATES, SplatLossConfig, parameter_groups
from geneface_ns.splat.warm_start import SplatStartConfig


@dataclass
class SplatTrainingConfig(SplatLossConfig, SplatDrawConfig, SplatStartConfig):
    """All that a training can be told besides the portrait's size."""

    head_steps: int = 1000
    """Steps of the head stage."""


def learn(
    portrait: SplatPortrait,
    optimizer: torch.optim.Adam,
    source: RaySource,
    frames: Tensor,
    step: int,
    config: SplatTrainingConfig,
    heads: FrozenHeads,
) -> dict[str, Tensor]:
    """One step's draw, forward, backward and update; returns the loss terms.

    Args:
        heads: the portrait's, asked for nothing before the head has learnt.
    """
    head_stage = step < config.head_steps
    let_learn(portrait.head, portrait.torso, head_stage)
    optimizer.zero_grad()
    # Of a head's step the rasteriser is nearly all.
    with torch_alone() if head_stage else nullcontext(torch.get_num_threads()) as threads:
        if head_stage:
            part, truth = draw_part(source, frames, step, config)
            rendered = training.render_part(portrait, part, threads)
        else:
            rays, truth = draw_picture(source, frames, step, config)
            rendered = training.render_rays(portrait, heads, rays, threads)
        terms = training.losses(rendered, truth, portrait.head, step, config)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    return terms


def train(
    portrait: SplatPortrait, source: RaySource, frames: Tensor, steps: int, config: SplatTrainingConfig
) -> Iterator[dict[str, Tensor]]:
    """Train a portrait that has been started from pictures (`warm_start`).

    Args:
        source: from `splat.draws.ray_source`.
        frames: int64 [N] those to train on.
        steps: of both stages together; `config.head_steps` of them train the head.

    Yields:
        After each step the loss terms.
    """
    optimizer, heads = make_optimizer(parameter_groups(portrait)), FrozenHeads(portrait)
    for step in range(steps):
        set_rates(optimizer, LEARNING_RATES, step, config.head_steps, steps)
        yield learn(portrait, optimizer, source, frames, step, config, heads)
