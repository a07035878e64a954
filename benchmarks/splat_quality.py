"""How good and how fast a head of Gaussians is after so many minutes of training.

    PYTHONPATH=. python benchmarks/splat_quality.py CAPTURE --minutes 5

The head alone is trained and drawn, over the capture's real torso. Only training counts as time. Measured on the whole
test split as `geneface evaluate` does; pictures (real, head over the real torso, head alone) go to `--pictures`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
from geneface_ns.kernels.run import torch_alone
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.splat.head import SplatHead, SplatHeadConfig, draw_head
from geneface_ns.splat.loop import Seen, SplatTrainingConfig, learn, make_optimizer, see
from geneface_ns.splat.surface import head_surface


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
    head: SplatHeadConfig = field(default_factory=SplatHeadConfig)
    """The head."""
    training: SplatTrainingConfig = field(default_factory=SplatTrainingConfig)
    """The training."""


FEW = 8
"""Test frames looked at during the training."""
DRAWN = 20
"""Heads drawn for each figure of speed."""


@torch.no_grad()
def drawn(head: SplatHead, seen: Seen, store: FrameStore, index: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [H, W, 3]: the head over the real torso, and over grey."""
    condition = seen.table(seen.times[index : index + 1])
    colour, opacity = draw_head(head(condition), seen.camera, condition.c2w[0], threads)
    underlay = torch.from_numpy(store.frame(index).underlay) / 255
    over_real = lay_over(colour, opacity, underlay)
    return tuple((x.clamp(0, 1) * 255).round().byte().numpy() for x in (over_real, colour + 0.5 * (1 - opacity)))


def measured(head: SplatHead, seen: Seen, store: FrameStore, frames: np.ndarray, threads: int) -> dict:
    """The figures of `geneface evaluate`, of the head over the real torso."""
    tally, real_mouth = Tally(), MouthTracker()
    for index in frames:
        real = store.frame(int(index)).image
        real_mouth.add(real)
        tally.seconds.append(1.0)
        picture, _ = drawn(head, seen, store, int(index), threads)
        tally.add(picture, real, store.capture.lips_box[index] / store.downscale, None)
    return tally.summary(real_mouth)


@torch.no_grad()
def speed(head: SplatHead, seen: Seen, size: int, threads: int) -> tuple[float, float]:
    """Milliseconds of a head in a picture of that many pixels along its longer side, wall and processor; medians."""
    factor = size / max(seen.camera.size)
    camera = seen.camera.scaled_to((round(seen.camera.size[0] * factor), round(seen.camera.size[1] * factor)))
    spent = []
    for i in range(DRAWN + 2):
        condition = seen.table(torch.tensor([i / (DRAWN + 2)]))
        began, used = perf_counter(), process_time()
        draw_head(head(condition), camera, condition.c2w[0], threads)
        spent.append((1000 * (perf_counter() - began), 1000 * (process_time() - used)))
    wall, used = np.median(spent[2:], axis=0)
    return float(wall), float(used)


def begin(config: SplatQuality, capture: Capture, store: FrameStore, seen: Seen, frames: Tensor) -> SplatHead:
    """An untrained head."""
    table = seen.table
    own = Condition(table.landmarks[frames], table.eyes[frames], table.c2w[frames], table.body[frames])
    torch.manual_seed(0)
    return SplatHead(config.head, head_surface(capture, store, config.head.gaussians), own)


def main(config: SplatQuality) -> None:
    print(describe())
    capture, threads = load_capture(config.capture), config.training.threads
    store = FrameStore(capture, config.downscale)
    seen = see(
        capture,
        prepare(capture, config.downscale, config.training.neck_reach),
        config.downscale,
        config.training.margin,
    )
    frames = torch.from_numpy(np.flatnonzero(capture.is_train & capture.valid))
    test = np.flatnonzero(~capture.is_train & capture.valid)
    few = test[np.linspace(0, len(test) - 1, min(FEW, len(test))).round().astype(int)]
    began = perf_counter()
    head = begin(config, capture, store, seen, frames)
    optimizer = make_optimizer(head)
    print(f"{capture.name}, {seen.camera.size}, {len(head.means)} Gaussians begun in {perf_counter() - began:.1f} s")
    print(f"| minutes | steps | {len(few)} test frames, dB |\n| --- | --- | --- |")
    spent, step = 0.0, 0
    with torch_alone():
        for look in range(config.looks + 1):
            while spent < config.minutes * 60 * look / config.looks:
                begun = perf_counter()
                learn(head, optimizer, seen, frames, step, spent / (config.minutes * 60), config.training)
                spent += perf_counter() - begun
                step += 1
            scores = []
            for index in few:
                over_real, alone = drawn(head, seen, store, int(index), threads)
                real = store.frame(int(index)).image
                scores.append(psnr(over_real, real))
                if config.pictures:
                    config.pictures.mkdir(parents=True, exist_ok=True)
                    row = np.concatenate([real, over_real, alone], axis=1)
                    cv2.imwrite(str(config.pictures / f"{look}_{index:05d}.png"), row[..., ::-1])
            print(f"| {spent / 60:.1f} | {step} | {np.mean(scores):.2f} |", flush=True)
        figures = measured(head, seen, store, test, threads)
        shown = ("psnr_db", "ssim", "mouth_psnr_db", "lmd_px", "opening_correlation", "opening_amplitude", "frames")
        print(" ".join(f"{name}={figures[name]:.4g}" for name in shown))
        for size in (256, 512):
            for count in sorted({1, threads}):
                wall, used = speed(head, seen, size, count)
                print(f"{size} px, {count} threads: a head in {wall:.1f} ms, {used:.1f} ms of processors", flush=True)


if __name__ == "__main__":
    main(tyro.cli(SplatQuality))
