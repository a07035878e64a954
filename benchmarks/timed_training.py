"""A training of `geneface`'s core that lasts a given time, and what its steps cost. Plain torch; see `gpu.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf import training
from geneface_ns.nerf.draws import draw, ray_source
from geneface_ns.nerf.loop import TrainingConfig, learn
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.training import LEARNING_RATES
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import RaySource
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.stages import HEAD_SHARE, learning_rate_factor, make_optimizer
from geneface_ns.scene.truth import psnr

EVALUATIONS = 12
"""Of the held-out frames, evenly over the training; their time does not count."""
HELD_OUT = 4
"""Frames of the test split that are looked at, spread over it."""
PROFILED = 20
"""Steps in the middle of each stage that run under torch's profiler."""


class HeldOut(NamedTuple):
    """Held-out frames at one moment of the training."""

    seconds: float
    """Of training, evaluations not counted."""
    step: int
    over_real: float
    """dB, the head over the real torso."""
    rendered: float
    """dB, everything rendered; means nothing before the torso has learnt."""


@dataclass
class Stage:
    """What a stage of the training cost."""

    name: str
    steps: int = 0
    seconds: float = 0.0
    drawing: float = 0.0
    """Seconds of the host in which rays were drawn."""
    busy: float | None = None
    """Seconds of a step in which something ran on the GPU; None: not profiled."""


@dataclass
class Run:
    """A training under way."""

    portrait: Portrait
    store: FrameStore
    source: RaySource
    """On the portrait's device."""
    frames: Tensor
    """int64 [F], those to learn from."""
    optimizer: torch.optim.Adam
    config: TrainingConfig
    step: int = 0


def start(capture_folder: Path, downscale: int, device: torch.device) -> Run:
    """An untrained portrait with its pictures' warm start.

    Raises:
        InputError: not a capture.
    """
    capture, config = load_capture(capture_folder), TrainingConfig()
    torch.manual_seed(0)
    portrait = Portrait(capture, downscale, PortraitConfig()).to(device).train()
    store = FrameStore(capture, downscale)
    frames = np.flatnonzero(capture.is_train & capture.valid)
    start_from_pictures(portrait, store, frames)
    source = ray_source(capture, prepare(capture, downscale, config.neck_reach), downscale).to(device)
    return Run(
        portrait, store, source, torch.from_numpy(frames), make_optimizer(training.parameter_groups(portrait)), config
    )


def train_step(run: Run, stage: Stage, first: int, progress: float) -> None:
    """One step.

    Args:
        first: step at which the stage began.
        progress: of the stage, 0 to 1.
    """
    step, config, portrait = run.step, run.config, run.portrait
    training.set_stage(portrait, step, config)
    begin = perf_counter()
    rays, truth = draw(run.source, run.frames, step, training.in_head_stage(step, config), config)
    stage.drawing += perf_counter() - begin
    # The clock says how far the stage is, and so how many steps it will have had.
    end = first + (step - first) / max(progress, 1e-6)
    factor = learning_rate_factor(step, first, round(end))
    for group in run.optimizer.param_groups:
        group["lr"] = LEARNING_RATES[group["name"]] * factor
    learn(portrait, run.optimizer, rays, truth, step, config)
    training.prune(portrait, step, config, training.PRUNE_EVERY * config.frames_per_batch / len(run.frames))
    run.step += 1
    stage.steps += 1


def train(run: Run, seconds: float, watch: Callable[[HeldOut], None]) -> list[Stage]:
    """Train for so many seconds: the head, then the torso.

    Args:
        watch: called with each evaluation of the held-out frames.
    """
    device = run.portrait.device
    frames = held_out_frames(run)
    done, next_look = 0.0, seconds / EVALUATIONS
    stages = []
    for name, span in (("head", HEAD_SHARE * seconds), ("torso", (1 - HEAD_SHARE) * seconds)):
        stage, first = Stage(name), run.step
        run.config.head_steps = sys.maxsize if name == "head" else first
        while stage.seconds < span:
            begin = perf_counter()
            step = partial(train_step, run, stage, first, stage.seconds / span)
            if device.type == "cuda" and stage.busy is None and stage.seconds >= span / 2:
                stage.busy = profiled(step)
            else:
                step()
            spent = stage.seconds + perf_counter() - begin
            look = spent >= span or done + spent >= next_look
            if look:
                synchronize(device)
            stage.seconds += perf_counter() - begin
            if look:
                now = done + stage.seconds
                next_look = (now // (seconds / EVALUATIONS) + 1) * seconds / EVALUATIONS
                watch(HeldOut(now, run.step, *held_out(run, frames)))
        done += stage.seconds
        stages.append(stage)
    return stages


def synchronize(device: torch.device) -> None:
    """Wait for what was asked of the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def profiled(step: Callable[[], None]) -> float:
    """Run PROFILED steps; returns the seconds of one, on average, in which something ran on the GPU."""
    synchronize(torch.device("cuda"))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(PROFILED):
            step()
        synchronize(torch.device("cuda"))
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profile.events() or []
        if event.device_type == torch.autograd.DeviceType.CUDA and not event.is_user_annotation
    ]
    return covered(spans) / 1e6 / PROFILED


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of spans (start, end)."""
    total, reached = 0.0, -float("inf")
    for start_, end in sorted(spans):
        total += max(0.0, end - max(start_, reached))
        reached = max(reached, end)
    return total


def held_out_frames(run: Run) -> np.ndarray:
    """int64 [N <= HELD_OUT] frames of the test split, spread over it.

    Raises:
        InputError: there are none.
    """
    capture = run.store.capture
    frames = np.flatnonzero(~capture.is_train & capture.valid)
    if len(frames) == 0:
        raise InputError(f"{capture.folder}: no valid frame in the test split; give a longer capture")
    return frames[np.linspace(0, len(frames) - 1, min(HELD_OUT, len(frames))).round().astype(int)]


def held_out(run: Run, frames: np.ndarray) -> tuple[float, float]:
    """PSNR of frames in dB, mean: the head over the real torso, everything rendered."""
    portrait = run.portrait.eval()
    renderer, table = ReferenceRenderer(portrait), run.store.capture.times
    scores = []
    for index in frames:
        frame = run.store.frame(int(index))
        image, underlay = (torch.from_numpy(a).to(portrait.device) / 255 for a in (frame.image, frame.underlay))
        condition = portrait.table(torch.from_numpy(table[[index]]).to(portrait.device))
        layers = renderer.render(condition, portrait.camera)
        over_real = lay_over(layers.head, layers.opacity, underlay).clamp(0, 1)
        scores.append((float(psnr(over_real, image)), float(psnr(layers.rgb, image))))
    portrait.train()
    over, rendered = np.mean(scores, axis=0)
    return float(over), float(rendered)
