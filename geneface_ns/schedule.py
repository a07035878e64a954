"""Optimisers and learning rates of the two stages, in absolute steps, so that a resumed run continues them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from nerfstudio.engine.optimizers import AdamOptimizerConfig
from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam in one kernel: a third of the plain one's time on a CPU."""

    eps: float = 1e-15
    """Added to the denominator; tiny, because plane features see tiny gradients."""
    fused: bool = True
    """Use the fused implementation."""


@dataclass
class StageScheduleConfig(SchedulerConfig):
    """Warm-up, then half a cosine, between two steps of the run."""

    _target: type = field(default_factory=lambda: StageSchedule)
    """target class to instantiate"""
    start_step: int = 0
    """Step at which the stage begins."""
    end_step: int = 1000
    """Step at which the stage ends."""
    warm_up: int = 50
    """Steps over which the rate rises from a tenth."""
    final_ratio: float = 0.03
    """Rate at the end, as a part of the rate at the start."""


class StageSchedule(Scheduler):
    """See StageScheduleConfig."""

    config: StageScheduleConfig

    def rate(self, step: int) -> float:
        """Factor on the learning rate at an absolute step."""
        config = self.config
        since = step - config.start_step
        progress = min(max(since / max(config.end_step - config.start_step, 1), 0.0), 1.0)
        rising = min(max(0.1 + 0.9 * since / max(config.warm_up, 1), 0.1), 1.0)
        return rising * (config.final_ratio + (1 - config.final_ratio) * 0.5 * (1 + math.cos(math.pi * progress)))

    def get_scheduler(self, optimizer: Optimizer, lr_init: float) -> LambdaLR:
        # A Python float: nerfstudio's own schedulers put numpy scalars into the checkpoint, which torch >= 2.6 rejects.
        return torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
