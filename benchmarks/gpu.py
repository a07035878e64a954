"""Train `geneface`'s core on a capture for a given time, and print what the machine makes of it.

    python benchmarks/gpu.py CAPTURE --seconds 60

For a bare machine: a checkout with torch, numpy, scipy, safetensors and OpenCV beside it, any Python from 3.10 on.
Nothing of ours is installed, and neither nerfstudio nor what reads videos is needed. It runs on CUDA where there is
one, else on the CPU. Where everything is installed, `python -m geneface_ns.synthetic.exact_capture CAPTURE` makes a
capture to try it on.

Prints steps a second, held-out PSNR over the time of training, how long the GPU waited for the host, frames a second
of the reference renderer and peak memory; then compares pictures and gradients of the device with the CPU's, and exits
with code 1 where they differ by more than the tolerances below.
"""

from __future__ import annotations

import argparse  # tyro is one of the packages that a bare machine lacks
import copy
import resource
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: nothing of it is installed

from audio_motion.ending import ends_in_one_line
from audio_motion.errors import InputError
from benchmarks.machine import describe
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf import training
from geneface_ns.nerf.checkpoint import choose_device
from geneface_ns.nerf.draws import RaySource, draw, ray_source
from geneface_ns.nerf.frames import FrameStore
from geneface_ns.nerf.loop import TrainingConfig, learn, make_optimizer
from geneface_ns.nerf.losses import LossConfig, Truth, head_losses, psnr, torso_losses
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.prepared import prepare
from geneface_ns.nerf.training import LEARNING_RATES, Rays
from geneface_ns.nerf.volume import distortion
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.compositing import lay_over

HEAD_SHARE = 0.75
"""Of the time, for the head; the rest is the torso's. As `ns-train geneface` shares its steps."""
EVALUATIONS = 12
"""Of the held-out frames, evenly over the training; their time does not count."""
HELD_OUT = 4
"""Frames of the test split that are looked at, spread over it."""
TARGETS = (26, 28, 30, 32, 34, 36, 38)
"""dB of the head over the real torso, whose times are printed."""
PROFILED = 20
"""Steps in the middle of each stage that run under torch's profiler."""
PICTURE_TOLERANCE = 50.0
"""dB of the device's picture against the CPU's: rounding may move a sample over the border of an occupied cell."""
GRADIENT_TOLERANCE = 1e-2
"""Length of the difference of two gradients against the CPU's, for each group of parameters."""


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
    return Run(portrait, store, source, torch.from_numpy(frames), make_optimizer(portrait), config)


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
    factor = training.learning_rate_factor(step, first, round(end))
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


def frames_per_second(portrait: Portrait, size: int, least: float = 2.0) -> float:
    """Of the reference renderer over the capture's own motion, each picture brought to the host as uint8.

    Args:
        size: width and height, pixels.
        least: seconds to render for, after three frames that are not counted.
    """
    renderer = ReferenceRenderer(portrait.eval())
    camera = portrait.camera.scaled_to((size, size))
    count = len(portrait.table.c2w)

    def render(number: int) -> None:
        time = torch.tensor([number % count / max(count - 1, 1)], device=portrait.device)
        renderer.render(portrait.table(time), camera).rgb.mul(255).byte().cpu()

    for number in range(3):
        render(number)
    begin, number = perf_counter(), 0
    while (elapsed := perf_counter() - begin) < least or number == 0:
        render(number)
        number += 1
    return number / elapsed


class Agreement(NamedTuple):
    """How near a portrait's copy is to the same portrait on the CPU."""

    picture: float
    """dB between the two pictures of a held-out frame."""
    gradients: dict[str, float]
    """Relative difference of each parameter group's gradient."""

    def is_good(self) -> bool:
        """Whether all lies within the tolerances."""
        # Written so that a NaN is no agreement.
        return self.picture >= PICTURE_TOLERANCE and all(g <= GRADIENT_TOLERANCE for g in self.gradients.values())


def agreement(portrait: Portrait, on_cpu: Portrait, rays: Rays, truth: Truth, time: float) -> Agreement:
    """Compare two copies of a portrait, given the same rays without jitter.

    Args:
        portrait: on the device; on_cpu: on the CPU. In eval mode, which has no jitter.
        rays, truth: on the CPU.
        time: of the frame whose picture is compared, 0 first and 1 last.
    """
    pictures, gradients = [], []
    for copied in (portrait, on_cpu):
        condition = copied.table(torch.tensor([time], device=copied.device))
        pictures.append(ReferenceRenderer(copied).render(condition, copied.camera).rgb.cpu())
        gradients.append(loss_gradients(copied, rays, truth))
    ours, reference = gradients
    differences = {n: float((ours[n] - g).norm() / g.norm().clamp_min(1e-12)) for n, g in reference.items()}
    # psnr() ends at 100 dB, which equal pictures have.
    return Agreement(float(psnr(*pictures)), differences)


def loss_gradients(portrait: Portrait, rays: Rays, truth: Truth) -> dict[str, Tensor]:
    """Gradient of both stages' losses, a flat vector on the CPU for each parameter group."""
    groups = training.parameter_groups(portrait)
    for parameters in groups.values():
        for parameter in parameters:
            parameter.requires_grad_(True)
            parameter.grad = None
    rays, truth = rays.to(portrait.device), truth.to(portrait.device)
    times, frame = torch.unique(rays.times, return_inverse=True)
    condition = portrait.table(times)
    head = portrait.render_head(condition, rays.origins, rays.directions, frame)
    seen = torch.cat([head.colour, head.opacity], dim=1).detach()
    torso = portrait.render_torso(condition, rays.pixel, frame, seen)
    spread = distortion(head.samples, head.weight)
    terms = [
        *head_losses(head.colour, head.opacity, spread, truth, LossConfig()).values(),
        *torso_losses(lay_over(seen[:, :3], seen[:, 3:], torso), torso, truth, LossConfig()).values(),
    ]
    torch.stack(terms).sum().backward()
    return {
        name: torch.cat([p.grad.flatten().cpu() for p in parameters if p.grad is not None])
        for name, parameters in groups.items()
    }


def report_stage(stage: Stage, on_gpu: bool) -> str:
    """One line."""
    each = stage.seconds / stage.steps
    line = (
        f"{stage.name:5}: {stage.steps} steps, {stage.steps / stage.seconds:.1f} steps/s; "
        f"{each * 1e3:.2f} ms a step, {stage.drawing / stage.steps * 1e3:.2f} of them to draw its rays on the host"
    )
    if not on_gpu:
        return line
    if not stage.busy:
        return f"{line}; the profiler saw nothing on the GPU"
    waits = max(0.0, 1 - stage.busy / each)
    return f"{line}; the GPU is busy for {stage.busy * 1e3:.2f} ms a step and waits {waits:.0%} of the time"


def report_memory(device: torch.device) -> str:
    """One line: peaks of this process so far."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device.type != "cuda":
        return f"peak memory: host {host:.0f} MiB"
    cuda, held = (peak() / 2**20 for peak in (torch.cuda.max_memory_allocated, torch.cuda.max_memory_reserved))
    return f"peak memory: host {host:.0f} MiB, CUDA {cuda:.0f} MiB in use, {held:.0f} MiB held"


def main(arguments: argparse.Namespace) -> int:
    """Everything; returns the exit code."""
    device = choose_device(arguments.device)
    print(describe() + f", Python {sys.version.split()[0]}, benchmark on {device.type}")
    run = start(arguments.capture, arguments.downscale, device)
    width, height = run.store.size
    print(f"{arguments.capture.name}: {len(run.frames)} frames to learn from at {width}x{height}")

    curve: list[HeldOut] = []

    def watch(now: HeldOut) -> None:
        curve.append(now)
        print(
            f"{now.seconds:7.1f} s  step {now.step:6}  held-out PSNR {now.over_real:.2f} dB head over the real torso, "
            f"{now.rendered:.2f} dB all rendered",
            flush=True,
        )

    for stage in train(run, arguments.seconds, watch):
        print(report_stage(stage, device.type == "cuda"))
    for target in TARGETS:
        reached = next((now for now in curve if now.over_real >= target), None)
        if reached is not None:
            print(f"{target} dB of the head over the real torso after {reached.seconds:.1f} s or less")
    print("training: " + report_memory(device))
    for size in arguments.sizes:
        print(f"reference renderer at {size}x{size}: {frames_per_second(run.portrait, size):.1f} frames/s")
    print("with rendering: " + report_memory(device))

    rays, truth = (t.to("cpu") for t in draw(run.source, run.frames, 0, True, run.config))
    time = float(run.store.capture.times[held_out_frames(run)[0]])
    found = agreement(run.portrait.eval(), copy.deepcopy(run.portrait).cpu(), rays, truth, time)
    print(f"{device.type} against CPU: picture {found.picture:.1f} dB (at least {PICTURE_TOLERANCE:.0f})")
    for name, difference in found.gradients.items():
        print(f"{device.type} against CPU: gradient of {name} off by {difference:.1e} (at most {GRADIENT_TOLERANCE})")
    if not found.is_good():
        print(f"{device.type} and CPU DIFFER", file=sys.stderr)
    return 0 if found.is_good() else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=Path, help="a capture directory")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, evaluations not counted (60)")
    parser.add_argument("--downscale", type=int, default=1, help="whole factor by which pictures are reduced (1)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="CUDA where there is one")
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512], help="of the pictures timed (256 512)")
    with ends_in_one_line():
        raise SystemExit(main(parser.parse_args()))
