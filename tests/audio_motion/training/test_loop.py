import resource
import signal
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from audio_motion.errors import InputError
from audio_motion.training.distributed import launch
from audio_motion.training.loop import Ended, LoopConfig, copied, run
from audio_motion.training.state import load_state, save_state
from audio_motion.training.tensorboard import Events


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

    def fingerprint(self) -> str:
        return "climb"

    def result(self, ended: Ended) -> None:
        return None


def climb(config: LoopConfig, state: Path | None = None) -> Climb:
    task = Climb()
    run(task, config, launch("cpu", 1), state)
    return task


def test_the_ema_is_validated_and_kept_while_training_goes_on_from_the_latest() -> None:
    """It begins as the first weights; its decays after that are 2/11 and 3/12: an average of few steps is young."""
    task = climb(LoopConfig(steps=3, batch_size=1, learning_rate=1.0, warm_up=3, validate_every=1, ema_decay=0.9))
    third = [1 / 3, 1 / 3 + 2 / 3, 1 / 3 + 2 / 3 + 1.0]  # the warm-up's rates: 1/3, 2/3, 1
    assert task.trained == pytest.approx(third)
    first = third[0]
    second = 2 / 11 * first + 9 / 11 * third[1]
    assert task.seen == pytest.approx([first, second, 3 / 12 * second + 9 / 12 * third[2]])
    assert task.module.weight.item() == pytest.approx(task.seen[-1])


def test_without_ema_the_latest_weights_are_kept() -> None:
    task = climb(LoopConfig(steps=4, batch_size=1, learning_rate=1.0, warm_up=4, validate_every=2))
    assert task.seen == pytest.approx([task.trained[1], task.trained[3]])


def test_a_resumed_run_goes_on_with_the_same_ema(tmp_path: Path) -> None:
    config = LoopConfig(steps=8, batch_size=1, learning_rate=1.0, warm_up=8, validate_every=2, ema_decay=0.8)
    whole = climb(config)

    class Killed(Climb):
        def step(self, number: int) -> dict[str, float]:
            if number == 5:
                raise KeyboardInterrupt
            return super().step(number)

    with pytest.raises(KeyboardInterrupt):
        run(Killed(), config, launch("cpu", 1), tmp_path / "state")
    rest = climb(config, tmp_path / "state")
    assert rest.trained == whole.trained[4:]
    assert rest.seen == whole.seen[2:]


class Elsewhere:
    """A process that is not the main one, on a machine without the main one's disk."""

    is_main, world_size, device = False, 2, torch.device("cpu")

    def __init__(self, found: object) -> None:
        self.fabric = self
        self._sent = [found]

    def broadcast(self, value: object) -> object:
        """What the main process has sent: first the state it found, then the figures, which are the same here."""
        return self._sent.pop() if self._sent else value

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        return values


def test_every_process_goes_on_from_the_state_that_the_main_one_has(tmp_path: Path) -> None:
    config = LoopConfig(steps=8, batch_size=1, learning_rate=1.0, warm_up=8, validate_every=2)
    whole = climb(config)
    climb(replace(config, steps=4, warm_up=8), tmp_path / "state")
    found = load_state(tmp_path / "state", "climb")
    assert found is not None
    task = Climb()
    run(task, config, Elsewhere(found), tmp_path / "no such disk" / "state")  # type: ignore[arg-type]
    assert task.trained == pytest.approx(whole.trained[4:], rel=0.05)  # the schedule's steps differ
    assert len(task.trained) == 4
    assert not (tmp_path / "no such disk").exists()


class Collapses(Climb):
    def validate(self) -> tuple[float, dict[str, float]]:
        return (inf if len(self.trained) >= 4 else 0.0), {}


def test_a_run_that_the_task_gave_up_is_known_as_such_when_it_is_resumed(tmp_path: Path) -> None:
    config = LoopConfig(steps=8, batch_size=1, learning_rate=1.0, validate_every=2)
    for _ in range(2):  # the second finds the state of the first, which was killed before it wrote its result
        ended = run(Collapses(), config, launch("cpu", 1), tmp_path / "state")
        assert ended == Ended(4, 0.0, given_up=True)


def test_a_figure_that_is_no_number_ends_the_training() -> None:
    class Lost(Climb):
        def validate(self) -> tuple[float, dict[str, float]]:
            return nan, {}

    with pytest.raises(FloatingPointError, match="step 2: the validation's figure is nan"):
        run(Lost(), LoopConfig(steps=4, batch_size=1, learning_rate=1.0, validate_every=2), launch("cpu", 1))


def test_a_full_disk_is_told_and_keeps_the_state_of_before(tmp_path: Path) -> None:
    path = tmp_path / "m.state"
    module = nn.Linear(40, 40)

    def save(step: int) -> None:
        save_state(path, module, AveragedModel(module), [], copied(module), {"step": step, "fingerprint": "f"})

    save(1)
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, allowed[1]))
        with pytest.raises(InputError, match=r"m\.state: File too large; free some space"):
            save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
        signal.signal(signal.SIGXFSZ, ignored)
    found = load_state(path, "f")
    assert found is not None
    assert found[1]["step"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.state"]


def test_a_damaged_state_is_no_state(tmp_path: Path) -> None:
    path, module = tmp_path / "m.state", nn.Linear(4, 4)
    save_state(path, module, AveragedModel(module), [], copied(module), {"step": 1, "fingerprint": "f"})
    whole = path.read_bytes()
    assert load_state(path, "f") is not None
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # a weight, which looks as good as any other
    assert load_state(path, "f") is None


def test_logs_are_what_tensorboard_reads(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Events(tmp_path) as writer:
        writer.log(3, {"validation": 0.5}, np.zeros((2, 4, 6, 3), np.uint8))
        writer.log(4, {"validation": 0.25}, None)
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(each.step, each.value) for each in read.Scalars("validation")] == [(3, 0.5), (4, 0.25)]
    assert (read.Images("motion")[0].width, read.Images("motion")[0].height) == (6, 4)
