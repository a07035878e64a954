"""One training, two stages: the head first, then the head-aware torso with the head frozen.

What is trained in a step, and how fast, follows from the step alone, so that a resumed run goes on where it was.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Parameter

from audio_motion.errors import NotFinite

HEAD_SHARE = 0.75
"""Of a run's steps, for the head; the rest is the torso's."""
TORSO_RATES = {"torso_grids": 5e-3, "torso_networks": 2e-3}
"""Adam's at first, for each group of the torso's parameters."""
ADAM_EPS = 1e-15
"""Added to Adam's denominator; tiny, because plane features see tiny gradients."""
ADVICE = "checkpoints of before are kept; train anew with lower learning rates (--optimizers.GROUP.optimizer.lr)"


def generator_of(device: torch.device, step: int, rank: int = 0, purpose: int = 0) -> torch.Generator:
    """Randomness that follows from step, process and purpose alone, so that nothing needs to be kept to resume."""
    seed = np.random.SeedSequence((step, rank, purpose)).generate_state(2)
    return torch.Generator(device).manual_seed(int(seed[0]) << 31 | int(seed[1]) >> 1)


def let_learn(head: nn.Module, torso: nn.Module, head_stage: bool) -> None:
    """Let learn what a stage trains, and freeze the rest."""
    for part, learns in ((head, head_stage), (torso, not head_stage)):
        for parameter in part.parameters():
            parameter.requires_grad_(learns)


def grids_and_networks(part: nn.Module, name: str) -> dict[str, list[Parameter]]:
    """A field's parameters in the groups `NAME_grids` and `NAME_networks`."""
    groups: dict[str, list[Parameter]] = {}
    for own, parameter in part.named_parameters():
        is_grid = any(word in own for word in ("planes", "latents", "picture"))
        groups.setdefault(f"{name}_{'grids' if is_grid else 'networks'}", []).append(parameter)
    return groups


def make_optimizer(groups: dict[str, list[Parameter]]) -> torch.optim.Adam:
    """Adam over named groups."""
    return torch.optim.Adam(
        [{"params": parameters, "name": name} for name, parameters in groups.items()], eps=ADAM_EPS, fused=True
    )


def set_rates(optimizer: torch.optim.Adam, rates: dict[str, float], step: int, head_steps: int, steps: int) -> None:
    """Give each named group the learning rate of a step.

    Args:
        rates: at first, by the groups' names.
    """
    for group in optimizer.param_groups:
        span = stage_span(group["name"], head_steps, steps)
        group["lr"] = rates[group["name"]] * learning_rate_factor(step, *span)


def learning_rate_factor(step: int, start: int, end: int, warm_up: int = 50, final: float = 0.03) -> float:
    """Warm-up over some steps from a tenth, then half a cosine down to `final`, between two steps of the run."""
    since = step - start
    progress = min(max(since / max(end - start, 1), 0.0), 1.0)
    rising = min(max(0.1 + 0.9 * since / max(warm_up, 1), 0.1), 1.0)
    return rising * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))


def stage_span(group: str, head_steps: int, steps: int) -> tuple[int, int]:
    """First and last step in which a parameter group learns."""
    return (head_steps, steps) if group.startswith("torso") else (0, head_steps)


def need_finite(terms: dict[str, Tensor], step: int) -> dict[str, Tensor]:
    """The loss terms of a step.

    Raises:
        NotFinite: a term is not; the message names it and the step.
    """
    for name, value in terms.items():
        if not torch.isfinite(value):
            raise NotFinite(f"loss term {name!r} is {value.item()} at step {step}; {ADVICE}")
    return terms


def need_finite_weights(module: nn.Module, step: int) -> None:
    """Look at all parameters before they are kept: a gradient can spoil one that the next loss does not see.

    Raises:
        NotFinite: one is not; the message names it and the step.
    """
    for name, parameter in module.named_parameters():
        if not torch.isfinite(parameter).all():
            raise NotFinite(f"{name} is not finite after step {step}; {ADVICE}")
