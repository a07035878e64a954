"""One `ns-train`, two stages: how the run's length is shared between head and torso."""

from __future__ import annotations

from dataclasses import dataclass, field

from nerfstudio.engine.trainer import Trainer, TrainerConfig


@dataclass
class GeneFaceTrainerConfig(TrainerConfig):
    """nerfstudio's trainer, with the run's length shared between the two stages."""

    _target: type = field(default_factory=lambda: GeneFaceTrainer)
    """target class to instantiate"""
    head_fraction: float = 0.75
    """Part of the iterations that train the head; the rest trains the torso with the head frozen."""

    def __post_init__(self) -> None:
        head_steps = round(self.max_num_iterations * self.head_fraction)
        # The pipeline's config is typed by nerfstudio's base classes, which know nothing of stages.
        self.pipeline.model.head_steps = head_steps  # type: ignore[attr-defined]
        self.pipeline.datamanager.head_steps = head_steps  # type: ignore[attr-defined]
        for name, group in self.optimizers.items():
            start, end = (head_steps, self.max_num_iterations) if name.startswith("torso") else (0, head_steps)
            group["scheduler"].start_step, group["scheduler"].end_step = start, end


class GeneFaceTrainer(Trainer):
    """Trainer whose resumed run ends where the first would have: nerfstudio 1.1.5 trains max_num_iterations more."""

    def train(self) -> None:
        whole = self.config.max_num_iterations
        self.config.max_num_iterations = max(whole - self._start_step, 0)
        try:
            super().train()
        finally:
            self.config.max_num_iterations = whole
