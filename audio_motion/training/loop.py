"""The loop that all trainings share: seeds, schedule, EMA, validation, early stopping, resuming, logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import cos, inf, isnan, pi
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from audio_motion.errors import InputError, NotFinite
from audio_motion.training.distributed import Distributed, is_main_process, launch
from audio_motion.training.state import load_state, restore, save_state
from audio_motion.training.tensorboard import Events

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after each step with (steps done, steps planned, latest figures)."""
Tensors = tuple[Tensor, ...] | list[Tensor]
Result = TypeVar("Result")
Produced = TypeVar("Produced", covariant=True)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast a model is trained."""

    steps: int
    """Most steps taken."""
    batch_size: int
    """Examples a step, over all processes."""
    learning_rate: float
    """After the warm-up; it falls to a tenth by a cosine."""
    warm_up: int = 100
    """Steps over which the learning rate rises."""
    validate_every: int = 100
    """Steps between two validations."""
    patience: int = 3
    """Validations without a better figure before training ends."""
    ema_decay: float = 0.0
    """Decay a step of the exponential moving average of the weights, which is what is validated and kept; 0: the latest
    weights."""
    seed: int = 0
    """Of everything random."""
    device: str = "cpu"
    """Where to train: cpu, cuda or mps."""
    devices: int = 1
    """How many such devices on this machine; more than one trains in as many processes."""
    threads: int = 1
    """CPU threads. The small networks are too small to share: a second thread costs more than it brings."""


@dataclass(frozen=True)
class Ended:
    """How a training ended."""

    steps: int
    """Taken."""
    best: float
    """The lowest figure of `Task.validate`."""
    given_up: bool
    """Whether the task ended it, by a figure of infinity."""


class Task(Protocol[Produced]):
    """A training as the loop sees it."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained; the best of its states is kept."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """What the learning rate is set for."""

    def fingerprint(self) -> str:
        """Of config and data (`state.fingerprint`): a state with another one is another run's and is not used."""
        ...

    def step(self, number: int) -> dict[str, float]:
        """One optimizer step; all randomness from torch's generator, which the loop has seeded."""
        ...

    def validate(self) -> tuple[float, dict[str, float]]:
        """A figure of what is held out, the lower the better, and others to show. Infinity ends the training: the task
        has seen that nothing good can follow."""
        ...

    def pictures(self) -> np.ndarray | None:
        """An animation for TensorBoard, uint8 [T, H, W, 3] at 25 fps, or None."""
        ...

    def result(self, ended: Ended) -> Produced:
        """What the training was for, once `module` holds the best weights in eval mode."""
        ...


def train(
    make_task: Callable[[Distributed], Task[Result]],
    config: LoopConfig,
    output: Path,
    save: Callable[[Path, Result], None],
    progress: Progress | None = None,
) -> Path:
    """`fit`, and write the result; a run that was interrupted goes on from `<output>.state`, bit for bit, when called
    again with the same config and data. TensorBoard logs go into the folder `<output>.logs`.

    Returns:
        `output`.

    Raises:
        InputError: `output` cannot be written.
        NotFinite: a loss is no longer finite; names the step and the term.
    """
    state = output.with_name(f"{output.name}.state")
    made = fit(make_task, config, progress, state, output.with_name(f"{output.name}.logs"))
    if is_main_process():
        save(output, made)
        state.unlink(missing_ok=True)
    return output


def fit(
    make_task: Callable[[Distributed], Task[Result]],
    config: LoopConfig,
    progress: Progress | None = None,
    state: Path | None = None,
    logs: Path | None = None,
) -> Result:
    """Train on data already loaded; torch's global random state and number of threads are left as they were.

    Args:
        make_task: makes the task in each process that trains.
        state: file that keeps what a resumed run needs.
        logs: folder for TensorBoard.

    Raises:
        InputError: there are no such devices, or they cannot share a batch, or the seed is negative.
        NotFinite: a loss or the figure of a validation is no longer finite.
    """
    if config.seed < 0:
        raise InputError(f"seed is {config.seed}; give 0 or a greater whole number")
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            distributed = launch(config.device, config.devices)
            if config.batch_size % distributed.world_size:
                raise InputError(
                    f"{distributed.world_size} processes cannot share a batch of {config.batch_size}; give a number of "
                    "devices that divides it"
                )
            task = make_task(distributed)
            return task.result(run(task, config, distributed, state, logs, progress))
    finally:
        torch.set_num_threads(threads)


def run(
    task: Task,
    config: LoopConfig,
    distributed: Distributed,
    state: Path | None = None,
    logs: Path | None = None,
    progress: Progress | None = None,
) -> Ended:
    """Train until nothing gets better or all steps are taken; `task.module` then holds the best weights, in eval mode.

    All randomness of a step comes from (seed, step), so a run that was interrupted goes on from `state` bit for bit.
    Only the main process reads and writes `state`: the others need not see its disk.
    """
    done, misses, lowest, given_up = 0, 0, inf, False
    ema = AveragedModel(task.module, multi_avg_fn=ema_of(config.ema_decay))
    best, fingerprint = copied(task.module), task.fingerprint()
    found = load_state(state, fingerprint) if state and distributed.is_main else None
    if found := distributed.fabric.broadcast(found):
        best, info = restore(found, task.module, ema, task.optimizers)
        done, misses, lowest, given_up = (info[name] for name in ("step", "misses", "lowest", "given_up"))
        _log.info("going on from step %d", done)
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        writer = stack.enter_context(Events(logs)) if logs and distributed.is_main else None
        for step in range(done, config.steps):
            if misses >= config.patience:
                break
            for optimizer in task.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = optimizer.defaults["lr"] * schedule(step, config)
            torch.manual_seed(config.seed * 1_000_003 + step + 1)
            task.module.train()
            figures |= distributed.mean(task.step(step))
            done = step + 1
            ema.update_parameters(task.module)
            if done % config.validate_every == 0 or done == config.steps:
                task.module.eval()
                latest = copied(task.module)
                task.module.load_state_dict(ema.module.state_dict())
                with torch.no_grad():
                    value, others = task.validate()
                value = distributed.fabric.broadcast(value)
                if isnan(value):
                    raise NotFinite(
                        f"step {done}: the validation's figure is nan; look at what is learnt from, or lower the "
                        "learning rate"
                    )
                given_up = value == inf
                figures |= {"validation": value} | others
                misses = 0 if value < lowest else config.patience if given_up else misses + 1
                if value < lowest:
                    lowest, best = value, copied(task.module)
                if writer:
                    writer.log(done, figures, task.pictures())
                task.module.load_state_dict(latest)
                if state and distributed.is_main:
                    info = {"step": done, "misses": misses, "lowest": lowest, "given_up": given_up}
                    info["fingerprint"] = fingerprint
                    save_state(state, task.module, ema, task.optimizers, best, info)
            if progress and distributed.is_main:
                progress(done, config.steps, figures)
    task.module.load_state_dict(best)
    task.module.eval()
    return Ended(done, lowest, given_up)


def copied(module: nn.Module) -> dict[str, Tensor]:
    """Its weights as they are now."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def ema_of(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """The step of an exponential moving average, for `AveragedModel`. An average of few weights is young: its decay
    rises to the one asked for."""

    def step(averages: Tensors, latest: Tensors, count: Tensor | int) -> None:
        done = int(count)
        torch._foreach_lerp_(averages, latest, 1.0 - min(decay, (done + 1) / (done + 10)))

    return step


def schedule(step: int, config: LoopConfig) -> float:
    """Factor on the learning rate: a linear warm-up, then half a cosine down to a tenth."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return 0.1 + 0.45 * (1.0 + cos(pi * done))
