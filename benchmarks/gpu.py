"""Train `geneface`'s core on a capture for a given time, and print what the machine makes of it.

    python benchmarks/gpu.py CAPTURE --seconds 60

For a bare machine: a checkout with torch, numpy, scipy, numba, safetensors and OpenCV beside it, any Python from 3.10
on. Nothing of ours is installed, and neither nerfstudio nor what reads videos is needed. It runs on CUDA where there is
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
from pathlib import Path
from time import perf_counter

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: nothing of it is installed

from audio_motion.device import need_device
from audio_motion.ending import ends_in_one_line
from benchmarks.device_agreement import GRADIENT_TOLERANCE, PICTURE_TOLERANCE, agreement
from benchmarks.machine import describe
from benchmarks.timed_training import HeldOut, Stage, held_out_frames, start, train
from geneface_ns.nerf.draws import draw
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.renderers.reference import ReferenceRenderer

TARGETS = (26, 28, 30, 32, 34, 36, 38)
"""dB of the head over the real torso, whose times are printed."""


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
    device = need_device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
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
    parser.add_argument("--device", choices=("cuda", "cpu"), help="left out: CUDA where there is one")
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512], help="of the pictures timed (256 512)")
    with ends_in_one_line():
        raise SystemExit(main(parser.parse_args()))
