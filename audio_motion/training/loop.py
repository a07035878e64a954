"""The loop that all trainings share: seeds, learning rate, validation, early stopping, resuming, logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from audio_motion.training.state import load_state, save_state
from audio_motion.training.team import Team

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after each step with (steps done, steps planned, latest figures)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast a model is trained."""

    steps: int
    """Most steps taken."""
    batch: int
    """Examples a step, over all processes."""
    rate: float
    """Learning rate after the warm-up; it falls to a tenth by a cosine."""
    warm_up: int = 100
    """Steps over which the learning rate rises."""
    validate_every: int = 100
    """Steps between two looks at what is held out."""
    patience: int = 3
    """Looks without a better figure before training ends."""
    averaging: float = 0.0
    """Decay a step of the running mean of the weights, which is what is looked at and kept; 0: the latest weights."""
    seed: int = 0
    """Of everything random."""
    device: str = "cpu"
    """Where to train: cpu, cuda or mps."""
    devices: int = 1
    """How many such devices on this machine; more than one trains in as many processes."""
    threads: int = 1
    """CPU threads. The small networks are too small to share: a second thread costs more than it brings."""


class Task(Protocol):
    """A training as the loop sees it."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained; the best of its states is kept."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """What the learning rate is set for."""

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


def run(
    task: Task,
    config: LoopConfig,
    team: Team,
    fingerprint: str,
    state: Path | None = None,
    logs: Path | None = None,
    progress: Progress | None = None,
) -> tuple[int, float]:
    """Train until nothing gets better or all steps are taken; `task.module` then holds the best weights, in eval mode.

    All randomness of a step comes from (seed, step), so a run that was interrupted goes on from `state` bit for bit.

    Args:
        fingerprint: of config and data; a state with another is of another run and is not used.
        state: file that keeps what a resumed run needs.
        logs: folder for TensorBoard.

    Returns:
        steps taken, and the best figure.
    """
    done, misses, lowest = 0, 0, float("inf")
    best, mean = copied(task.module), copied(task.module)
    if state and (found := load_state(state, fingerprint, task.module, task.optimizers)):
        best, mean, info = found
        mean = {name: value.to(team.device) for name, value in mean.items()}
        done, misses, lowest = info["step"], info["misses"], info["lowest"] or float("inf")
        _log.info("going on from step %d", done)
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        writer = stack.enter_context(_writer(logs)) if logs and team.leads else None
        for step in range(done, config.steps):
            if misses >= config.patience:
                break
            for optimizer in task.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = optimizer.defaults["lr"] * _rate(step, config)
            torch.manual_seed(config.seed * 1_000_003 + step + 1)
            task.module.train()
            figures |= team.mean(task.step(step))
            done = step + 1
            follow(mean, task.module, min(config.averaging, done / (done + 9)))
            if done % config.validate_every == 0 or done == config.steps:
                task.module.eval()
                latest = copied(task.module)
                task.module.load_state_dict(mean)
                with torch.no_grad():
                    value, others = task.validate()
                value = team.fabric.broadcast(value)
                figures |= {"validation": value} | others
                misses = 0 if value < lowest else config.patience if value == float("inf") else misses + 1
                if value < lowest:
                    lowest, best = value, copied(task.module)
                if writer:
                    _write(writer, done, figures, task.pictures())
                task.module.load_state_dict(latest)
                if state and team.leads:
                    info = {"fingerprint": fingerprint, "step": done, "misses": misses, "lowest": lowest}
                    save_state(state, task.module, task.optimizers, best, mean, info)
            if progress and team.leads:
                progress(done, config.steps, figures)
    task.module.load_state_dict(best)
    task.module.eval()
    return done, lowest


def copied(module: nn.Module) -> dict[str, Tensor]:
    """Its weights as they are now."""
    return {name: value.clone() for name, value in module.state_dict().items()}


@torch.no_grad()
def follow(mean: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    """Move a running mean of weights towards the module's: what is no floating-point number is copied."""
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            mean[name].lerp_(value, 1.0 - decay)
        else:
            mean[name].copy_(value)


def _rate(step: int, config: LoopConfig) -> float:
    """Part of the full learning rate."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return 0.1 + 0.45 * (1.0 + cos(pi * done))


def _writer(folder: Path):  # type: ignore[no-untyped-def]  # tensorboard is imported only where it is used
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def _write(writer, step: int, figures: dict[str, float], frames: np.ndarray | None) -> None:  # type: ignore[no-untyped-def]
    """Scalars, and the frames as an animated GIF, which TensorBoard plays."""
    for name, value in figures.items():
        writer.add_scalar(name, value, step)
    if frames is None:
        return
    from tensorboard.compat.proto.summary_pb2 import Summary

    height, width = frames.shape[1:3]
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=_gif(frames))
    writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag="motion", image=image)]), step)


def _gif(frames: np.ndarray) -> bytes:
    import io

    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in frames)
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=rest, duration=40, loop=0)
    return stream.getvalue()
