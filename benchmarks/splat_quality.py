"""How good and how fast a head of Gaussians is after so many minutes of training.

    PYTHONPATH=. python benchmarks/splat_quality.py CAPTURE --minutes 5

The head alone is trained and drawn, over the capture's real torso. Only training counts as time. Measured on the whole
test split as `geneface evaluate` does; pictures (real, head over the real torso, head alone) go to `--pictures`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated

import cv2
import numpy as np
import torch
import tyro
from machine import describe
from torch import Tensor

from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.evaluation.evaluate import Tally
from geneface_ns.evaluation.metrics import psnr
from geneface_ns.evaluation.mouth import MouthTracker
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import RaySource
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.stages import make_optimizer, set_rates
from geneface_ns.splat.draws import ray_source
from geneface_ns.splat.frozen_heads import FrozenHeads
from geneface_ns.splat.head import draw_head
from geneface_ns.splat.loop import SplatTrainingConfig, learn
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.training import LEARNING_RATES, parameter_groups
from geneface_ns.splat.warm_start import start_from_pictures


@dataclass
class SplatQuality:
    """What is trained."""

    capture: Annotated[Path, tyro.conf.Positional]
    """As `geneface process` wrote it."""
    minutes: float = 5.0
    """Of training."""
    downscale: int = 2
    """Whole factor by which the pictures are reduced."""
    looks: int = 4
    """At a few test frames, evenly over the training."""
    pictures: Path | None = None
    """Folder for pictures of those frames."""
    threads: int = 2
    """To train and to draw with."""
    portrait: SplatPortraitConfig = field(default_factory=SplatPortraitConfig)
    """The portrait."""
    training: SplatTrainingConfig = field(default_factory=SplatTrainingConfig)
    """The training."""


FEW = 8
"""Test frames looked at during the training."""
DRAWN = 20
"""Heads drawn for each figure of speed."""


@torch.no_grad()
def drawn(portrait: SplatPortrait, store: FrameStore, index: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [H, W, 3]: the head over the real torso, and over grey."""
    condition = portrait.table(torch.tensor([index / (len(store.capture) - 1)]))
    colour, opacity = portrait.draw_head(condition, threads)
    underlay = torch.from_numpy(store.frame(index).underlay) / 255
    over_real = lay_over(colour, opacity, underlay)
    return tuple((x.clamp(0, 1) * 255).round().byte().numpy() for x in (over_real, colour + 0.5 * (1 - opacity)))


def measured(portrait: SplatPortrait, store: FrameStore, frames: np.ndarray, threads: int) -> dict:
    """The figures of `geneface evaluate`, of the head over the real torso."""
    tally, real_mouth = Tally(), MouthTracker()
    for index in frames:
        real = store.frame(int(index)).image
        real_mouth.add(real)
        tally.seconds.append(1.0)
        picture, _ = drawn(portrait, store, int(index), threads)
        tally.add(picture, real, store.capture.lips_box[index] / store.downscale, None)
    return tally.summary(real_mouth)


@torch.no_grad()
def speed(portrait: SplatPortrait, size: int, threads: int) -> tuple[float, float]:
    """Milliseconds of a head in a picture of that many pixels along its longer side, wall and processor; medians."""
    own = portrait.camera
    factor = size / max(own.size)
    camera = own.scaled_to((round(own.size[0] * factor), round(own.size[1] * factor)))
    spent = []
    for i in range(DRAWN + 2):
        condition = portrait.table(torch.tensor([i / (DRAWN + 2)]))
        began, used = perf_counter(), process_time()
        draw_head(portrait.head(condition), camera, condition.c2w[0], threads)
        spent.append((1000 * (perf_counter() - began), 1000 * (process_time() - used)))
    wall, used = np.median(spent[2:], axis=0)
    return float(wall), float(used)


def begin(config: SplatQuality, capture: Capture, store: FrameStore, frames: np.ndarray) -> SplatPortrait:
    """An untrained portrait."""
    torch.manual_seed(0)
    portrait = SplatPortrait(capture, config.downscale, config.portrait)
    start_from_pictures(portrait, store, frames, config.training)
    return portrait


def train_for(config: SplatQuality, portrait: SplatPortrait, source: RaySource, frames: Tensor) -> Iterator[float]:
    """Train the head alone until its time is over; gives after each step the minutes spent."""
    training = replace(config.training, head_steps=sys.maxsize)
    optimizer, heads = make_optimizer(parameter_groups(portrait)), FrozenHeads(portrait)
    spent, step, end = 0.0, 0, 1000.0
    while spent < config.minutes * 60:
        set_rates(optimizer, LEARNING_RATES, step, round(end), round(end))
        begun = perf_counter()
        learn(portrait, optimizer, source, frames, step, training, heads)
        spent += perf_counter() - begun
        step += 1
        if step > 20:  # the first steps compile kernels
            end = step * config.minutes * 60 / spent
        yield spent / 60


def main(config: SplatQuality) -> None:
    print(describe())
    torch.set_num_threads(config.threads)
    capture, threads = load_capture(config.capture), config.threads
    store = FrameStore(capture, config.downscale)
    prepared = prepare(capture, config.downscale, config.training.neck_reach)
    source = ray_source(capture, prepared, config.downscale, config.training.margin)
    frames = np.flatnonzero(capture.is_train & capture.valid)
    test = np.flatnonzero(~capture.is_train & capture.valid)
    few = test[np.linspace(0, len(test) - 1, min(FEW, len(test))).round().astype(int)]
    began = perf_counter()
    portrait = begin(config, capture, store, frames)
    print(
        f"{capture.name}, {portrait.camera.size}, {len(portrait.head.means)} Gaussians begun in "
        f"{perf_counter() - began:.1f} s"
    )
    print(f"| minutes | steps | {len(few)} test frames, dB |\n| --- | --- | --- |")
    looks = 0
    for step, spent in enumerate(train_for(config, portrait, source, torch.from_numpy(frames))):
        if spent < config.minutes * looks / config.looks:
            continue
        scores = []
        for index in few:
            over_real, alone = drawn(portrait, store, int(index), threads)
            real = store.frame(int(index)).image
            scores.append(psnr(over_real, real))
            if config.pictures:
                config.pictures.mkdir(parents=True, exist_ok=True)
                row = np.concatenate([real, over_real, alone], axis=1)
                cv2.imwrite(str(config.pictures / f"{looks}_{index:05d}.png"), row[..., ::-1])
        print(f"| {spent:.1f} | {step + 1} | {np.mean(scores):.2f} |", flush=True)
        looks += 1
    figures = measured(portrait, store, test, threads)
    shown = ("psnr_db", "ssim", "mouth_psnr_db", "lmd_px", "opening_correlation", "opening_amplitude", "frames")
    print(" ".join(f"{name}={figures[name]:.4g}" for name in shown))
    for size in (256, 512):
        for count in sorted({1, threads}):
            wall, used = speed(portrait, size, count)
            print(f"{size} px, {count} threads: a head in {wall:.1f} ms, {used:.1f} ms of processors", flush=True)


if __name__ == "__main__":
    main(tyro.cli(SplatQuality))
