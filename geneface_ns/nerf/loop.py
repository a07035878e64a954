"""The training loop in plain torch: what `ns-train geneface` does, without nerfstudio. For benchmarks and tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from geneface_ns.nerf import training
from geneface_ns.nerf.draws import HeadDrawConfig, draw
from geneface_ns.nerf.losses import LossConfig
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.nerf.training import StageConfig
from geneface_ns.scene.draws import Rays, RaySource
from geneface_ns.scene.stages import make_optimizer, set_rates
from geneface_ns.scene.truth import Truth


@dataclass
class TrainingConfig(LossConfig, StageConfig, HeadDrawConfig):
    """All that a training can be told besides the portrait's size."""


def learn(
    portrait: Portrait, optimizer: torch.optim.Adam, rays: Rays, truth: Truth, step: int, config: TrainingConfig
) -> dict[str, Tensor]:
    """One step's forward, backward and update; returns the loss terms."""
    optimizer.zero_grad()
    terms = training.losses(training.render_rays(portrait, rays, step, config), truth, step, config, config)
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()
    return terms


def train(
    portrait: Portrait, source: RaySource, frames: Tensor, steps: int, config: TrainingConfig
) -> Iterator[dict[str, Tensor]]:
    """Train a portrait that has been started from pictures (`warm_start`).

    Args:
        source: where rays are drawn from, on the portrait's device or on the CPU.
        frames: int64 [N] those to train on.
        steps: of both stages together; `config.head_steps` of them train the head.

    Yields:
        After each step the loss terms.
    """
    optimizer = make_optimizer(training.parameter_groups(portrait))
    passes = training.PRUNE_EVERY * config.frames_per_batch / len(frames)
    portrait.train()
    for step in range(steps):
        training.set_stage(portrait, step, config)
        set_rates(optimizer, training.LEARNING_RATES, step, config.head_steps, steps)
        rays, truth = draw(source, frames, step, training.in_head_stage(step, config), config)
        yield learn(portrait, optimizer, rays.to(portrait.device), truth.to(portrait.device), step, config)
        training.prune(portrait, step, config, passes)
