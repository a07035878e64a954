"""How good a head of Gaussians is after so many minutes: the head over the real torso, on the test frames.

    PYTHONPATH=. python benchmarks/splat_quality.py CAPTURE --minutes 5

Training alone counts as time. Pictures (real, head over the real torso, head alone) go to `--pictures`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Annotated

import cv2
import numpy as np
import torch
import tyro
from machine import describe

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.kernels.run import torch_alone
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.condition import Condition, ConditionTable
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.truth import psnr
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
    frames: int = 12
    """Of the test split, spread over it."""
    evaluations: int = 5
    """Evenly over the training."""
    pictures: Path | None = None
    """Folder for pictures of the first and the widest open test frame."""
    head: SplatHeadConfig = field(default_factory=SplatHeadConfig)
    """The head."""
    training: SplatTrainingConfig = field(default_factory=SplatTrainingConfig)
    """The training."""


def evaluate(
    head: SplatHead, seen: Seen, store: FrameStore, frames: np.ndarray, threads: int
) -> tuple[float, float, float, list[np.ndarray]]:
    """dB over all, dB of the mouth, milliseconds of a head, and pictures."""
    over, mouth, spent, pictures = [], [], [], []
    with torch.no_grad():
        for index in frames:
            frame = store.frame(int(index))
            condition = seen.table(seen.times[index : index + 1])
            began = perf_counter()
            colour, opacity = draw_head(head(condition), seen.camera, condition.c2w[0], threads)
            spent.append(perf_counter() - began)
            image, underlay = torch.from_numpy(frame.image) / 255, torch.from_numpy(frame.underlay) / 255
            drawn = lay_over(colour, opacity, underlay).clamp(0, 1)
            x0, y0, x1, y1 = seen.boxes[index, 0].tolist()
            over.append(float(psnr(drawn, image)))
            mouth.append(float(psnr(drawn[y0:y1, x0:x1], image[y0:y1, x0:x1])))
            alone = (colour + 0.5 * (1 - opacity)).clamp(0, 1)
            row = np.concatenate([image.numpy(), drawn.numpy(), alone.numpy()], axis=1)
            pictures.append((row * 255).astype(np.uint8))
    return float(np.mean(over)), float(np.mean(mouth)), 1000 * float(np.median(spent)), pictures


def main(config: SplatQuality) -> None:
    print(describe())
    capture = load_capture(config.capture)
    store = FrameStore(capture, config.downscale)
    prepared = prepare(capture, config.downscale, config.training.neck_reach)
    seen = see(capture, prepared, config.downscale, config.training.margin)
    train = np.flatnonzero(capture.is_train & capture.valid)
    test = np.flatnonzero(~capture.is_train & capture.valid)
    test = test[np.linspace(0, len(test) - 1, min(config.frames, len(test))).round().astype(int)]
    began = perf_counter()
    table: ConditionTable = seen.table
    index = torch.from_numpy(train)
    own = Condition(table.landmarks[index], table.eyes[index], table.c2w[index], table.body[index])
    torch.manual_seed(0)
    surface = head_surface(capture, store, config.head.gaussians)
    head = SplatHead(config.head, surface, own)
    optimizer = make_optimizer(head)
    near = f"{len(head.near_mouth)} near the mouth, {len(head.near_eyes)} near the eyes"
    print(f"{len(surface.places)} Gaussians begun in {perf_counter() - began:.1f} s; {near}")
    print("| minutes | steps | over the real torso, dB | mouth, dB | a head, ms |\n| --- | --- | --- | --- | --- |")
    spent, step, rows = 0.0, 0, []
    with torch_alone():
        for look in range(config.evaluations + 1):
            while spent < config.minutes * 60 * look / config.evaluations:
                begin = perf_counter()
                learn(head, optimizer, seen, index, step, spent / (config.minutes * 60), config.training)
                spent += perf_counter() - begin
                step += 1
            over, mouth, milliseconds, rows = evaluate(head, seen, store, test, config.training.threads)
            print(f"| {spent / 60:.1f} | {step} | {over:.2f} | {mouth:.2f} | {milliseconds:.1f} |", flush=True)
            if config.pictures:
                config.pictures.mkdir(parents=True, exist_ok=True)
                for name, row in zip(("first", "middle"), (rows[0], rows[len(rows) // 2]), strict=True):
                    path = config.pictures / f"{look}_{name}.png"
                    cv2.imwrite(str(path), row[..., ::-1])


if __name__ == "__main__":
    main(tyro.cli(SplatQuality))
