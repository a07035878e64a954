from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from audio_motion.training.loop import LoopConfig, run
from audio_motion.training.team import gather_team


class Climb:
    """One weight that gradient descent raises by 1 a step; what validation sees of it is noted."""

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)
        self.optimizers = [torch.optim.SGD(self.module.parameters(), lr=1.0)]
        self.trained: list[float] = []
        self.seen: list[float] = []

    def step(self, number: int) -> dict[str, float]:
        self.optimizers[0].zero_grad()
        (-self.module.weight.sum()).backward()
        self.optimizers[0].step()
        self.trained.append(self.module.weight.item())
        return {}

    def validate(self) -> tuple[float, dict[str, float]]:
        self.seen.append(self.module.weight.item())
        return -self.seen[-1], {}

    def pictures(self) -> np.ndarray | None:
        return None


def climb(config: LoopConfig, state: Path | None = None) -> Climb:
    task = Climb()
    run(task, config, gather_team("cpu", 1), "climb", state)
    return task


def test_the_running_mean_is_looked_at_and_kept_while_training_goes_on_from_the_latest() -> None:
    """Decays are 1/10, 2/11 and 3/12: a mean of few steps is young."""
    task = climb(LoopConfig(steps=3, batch=1, rate=1.0, warm_up=3, validate_every=1, averaging=0.9))
    third = [1 / 3, 1 / 3 + 2 / 3, 1 / 3 + 2 / 3 + 1.0]  # the warm-up's rates: 1/3, 2/3, 1
    assert task.trained == pytest.approx(third)
    first = 0.9 * third[0]
    second = 2 / 11 * first + 9 / 11 * third[1]
    assert task.seen == pytest.approx([first, second, 3 / 12 * second + 9 / 12 * third[2]])
    assert task.module.weight.item() == pytest.approx(task.seen[-1])


def test_without_averaging_the_latest_weights_are_kept() -> None:
    task = climb(LoopConfig(steps=4, batch=1, rate=1.0, warm_up=4, validate_every=2))
    assert task.seen == pytest.approx([task.trained[1], task.trained[3]])


def test_a_resumed_run_goes_on_with_the_same_running_mean(tmp_path: Path) -> None:
    config = LoopConfig(steps=8, batch=1, rate=1.0, warm_up=8, validate_every=2, averaging=0.8)
    whole = climb(config)

    class Killed(Climb):
        def step(self, number: int) -> dict[str, float]:
            if number == 5:
                raise KeyboardInterrupt
            return super().step(number)

    with pytest.raises(KeyboardInterrupt):
        run(Killed(), config, gather_team("cpu", 1), "climb", tmp_path / "state")
    rest = climb(config, tmp_path / "state")
    assert rest.trained == whole.trained[4:]
    assert rest.seen == whole.seen[2:]
