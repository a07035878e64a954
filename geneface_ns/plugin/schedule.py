"""Optimisers and learning rates of the two stages, in absolute steps, so that a resumed run continues them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from nerfstudio.engine.optimizers import AdamOptimizerConfig
from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tyro.conf import Suppress

from geneface_ns.scene.stages import ADAM_EPS, learning_rate_factor


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam in one kernel a step, not one for each operation."""

    eps: float = ADAM_EPS
    """Added to the denominator; tiny, because plane features see tiny gradients."""
    fused: bool = True
    """Use the fused implementation."""


@dataclass
class StageScheduleConfig(SchedulerConfig):
    """Warm-up, then half a cosine, between two steps of the run."""

    _target: type = field(default_factory=lambda: StageSchedule)
    """target class to instantiate"""
    start_step: Suppress[int] = 0
    """Step at which the stage begins; set by the trainer."""
    end_step: Suppress[int] = 1000
    """Step at which the stage ends; set by the trainer."""
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
        return learning_rate_factor(step, config.start_step, config.end_step, config.warm_up, config.final_ratio)

    def get_scheduler(self, optimizer: Optimizer, lr_init: float) -> LambdaLR:
        # A Python float: nerfstudio's own schedulers put numpy scalars into the checkpoint, which torch >= 2.6 rejects.
        return torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
