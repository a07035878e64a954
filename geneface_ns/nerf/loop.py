"""The training loop in plain torch: what `ns-train geneface` does, without nerfstudio. For benchmarks and tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from geneface_ns.nerf import training
from geneface_ns.nerf.draws import DrawConfig, RaySource, draw
from geneface_ns.nerf.losses import LossConfig
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.nerf.training import Rays, StageConfig


@dataclass
class TrainingConfig(LossConfig, StageConfig, DrawConfig):
    """All that a training can be told besides the portrait's size."""


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
    optimizers = {
        name: torch.optim.Adam(group, lr=training.LEARNING_RATES[name], eps=training.ADAM_EPS, fused=True)
        for name, group in training.parameter_groups(portrait).items()
    }
    passes = training.PRUNE_EVERY * config.frames_per_batch / len(frames)
    portrait.train()
    for step in range(steps):
        training.set_stage(portrait, step, config)
        for name, optimizer in optimizers.items():
            start, end = training.stage_span(name, config.head_steps, steps)
            factor = training.learning_rate_factor(step, start, end)
            optimizer.param_groups[0]["lr"] = training.LEARNING_RATES[name] * factor
            optimizer.zero_grad()
        rays, truth = draw(source, frames, step, training.in_head_stage(step, config), config)
        rays, truth = (type(x)(*(t.to(portrait.device, non_blocking=True) for t in x)) for x in (rays, truth))
        terms = training.losses(training.render_rays(portrait, Rays(*rays), step, config), truth, step, config, config)
        torch.stack(list(terms.values())).sum().backward()
        for optimizer in optimizers.values():
            optimizer.step()
        training.prune(portrait, step, config, passes)
        yield terms
