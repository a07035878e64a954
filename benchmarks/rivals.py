"""A head field of the rivals' shape, in plain torch, on the same rays, losses and frames as ours: quality for training
time, and milliseconds a frame.

    python benchmarks/rivals.py CAPTURE --downscale 4 --minutes 3

The rivals' shape is RAD-NeRF's (Tang et al., 2022) as GeneFace uses it: a 3-D grid of 16 levels with 2 channels
(growth 1.3819 from 16 cells, at most 2^16 entries a level, cell numbers modulo that), an ambient grid of two dimensions
alike, whose coordinates a perceptron makes of the point and the condition, and perceptrons 128 wide for density and
colour. Its condition is the landmarks and eyes through a perceptron of 64. The occupancy grid, the step along the rays
(0.03 face widths; RAD-NeRF takes at most 16 steps), the losses, the torso and the learning rates are ours in both, so
the field alone differs. It has no view direction: the condition is all that changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe
from timed_training import HeldOut, Run, held_out_frames, start, train
from torch import Tensor, nn

from geneface_ns.nerf import training
from geneface_ns.renderers.contract import Renderer
from geneface_ns.renderers.cpu import CpuRenderer
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.grids import to_unit
from geneface_ns.scene.stages import make_optimizer

LEVELS, CHANNELS, COARSEST, GROWTH, MOST = 16, 2, 16, 1.3819, 1 << 16
HIDDEN, AMBIENT, CODE = 128, 2, 64
FRAMES = 8
"""That are timed."""


class TiledGrid(nn.Module):
    """A multi-resolution grid (Müller et al., 2022) whose cells are numbered on and on and taken modulo its size."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.resolutions = [int(np.ceil(COARSEST * GROWTH**level)) for level in range(LEVELS)]
        sizes = [min(MOST, (resolution + 1) ** dimensions) for resolution in self.resolutions]
        self.starts = np.cumsum([0, *sizes]).tolist()
        # `planes`: the name by which parameters are known as grids.
        self.planes = nn.Parameter(torch.empty(self.starts[-1], CHANNELS).uniform_(-1e-4, 1e-4))
        corners = torch.cartesian_prod(*[torch.arange(2)] * dimensions)
        self.register_buffer("corners", corners.reshape(-1, dimensions))

    def forward(self, unit: Tensor) -> Tensor:
        """[N, D] in [-1, 1] -> [N, LEVELS * CHANNELS]."""
        inside = (unit.clamp(-1, 1) + 1) / 2
        features = []
        for resolution, (first, end) in zip(self.resolutions, pairwise(self.starts), strict=True):
            place = inside * resolution
            low = place.floor().clamp(max=resolution - 1)
            part = place - low
            cell = low.long()[:, None] + self.corners  # [N, 2^D, D]
            number = torch.zeros_like(cell[..., 0])
            for axis in reversed(range(cell.shape[-1])):
                number = number * (resolution + 1) + cell[..., axis]
            near = self.corners.to(part.dtype)
            weight = (part[:, None] * near + (1 - part[:, None]) * (1 - near)).prod(dim=-1, keepdim=True)
            features.append((self.planes[first + number % (end - first)] * weight).sum(dim=1))
        return torch.cat(features, dim=1)


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers without biases, ReLUs between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class RivalField(nn.Module):
    """Stands in for `HeadField`."""

    def __init__(self, box: Tensor, landmarks: Tensor, eyes: Tensor) -> None:
        """
        Args:
            box: [2, 3] the head's.
            landmarks, eyes: [F, 68, 3] and [F, 2] of the training frames.
        """
        super().__init__()
        self.register_buffer("box", box)
        faces = torch.cat([landmarks.flatten(1), eyes], dim=1)
        self.register_buffer("mean", faces.mean(0))
        self.register_buffer("deviation", faces.std(0).clamp_min(1e-4))
        self.position, self.ambient = TiledGrid(3), TiledGrid(AMBIENT)
        width = LEVELS * CHANNELS
        self.condition = perceptron(len(self.mean) + 6, CODE, CODE)
        self.to_ambient = perceptron(width + CODE, HIDDEN, HIDDEN, AMBIENT)
        self.sigma = perceptron(2 * width, HIDDEN, HIDDEN, 1 + HIDDEN)
        self.colour = perceptron(HIDDEN, HIDDEN, 3)

    def frame_state(self, landmarks: Tensor, eye_openness: Tensor, pose: Tensor) -> Tensor:
        """[B, CODE]"""
        faces = (torch.cat([landmarks.flatten(1), eye_openness], dim=1) - self.mean) / self.deviation
        return self.condition(torch.cat([faces, pose], dim=1))

    def forward(self, state: Tensor, points: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Density [N] and colour [N, 3] of points [N, 3]."""
        features = self.position(to_unit(points, self.box))
        ambient = torch.tanh(self.to_ambient(torch.cat([features, state[frame]], dim=1)))
        out = self.sigma(torch.cat([features, self.ambient(ambient)], dim=1))
        density = torch.exp(out[:, 0].clamp(-15, 15))
        return density, torch.sigmoid(self.colour(out[:, 1:]))


@dataclass
class Rivals:
    """What both learn from."""

    capture: Annotated[Path, tyro.conf.Positional]
    """A capture directory."""
    downscale: int = 4
    """Whole factor by which the pictures are reduced."""
    minutes: float = 3.0
    """Of training, for each."""
    longer: float = 1.0
    """Times as long for the rivals' shape."""

    def main(self) -> None:
        """Print the course of both, and what a frame of each takes."""
        print(describe())
        print(f"{self.capture.name}, 1/{self.downscale} of the size")
        print("| field | seconds | steps | head over the real torso, dB | all rendered, dB |")
        print("| --- | --- | --- | --- | --- |")
        for name, minutes in (("ours", self.minutes), ("the rivals' shape", self.longer * self.minutes)):
            run = start(self.capture, self.downscale, torch.device("cpu"))
            if name != "ours":
                portrait, frames = run.portrait, run.frames
                table = portrait.table
                portrait.head = RivalField(portrait.head.box, table.landmarks[frames], table.eyes[frames])  # type: ignore[assignment]
                run.optimizer = make_optimizer(training.parameter_groups(portrait))

            def watch(seen: HeldOut, name: str = name) -> None:
                figures = f"{seen.over_real:.2f} | {seen.rendered:.2f}"
                print(f"| {name} | {seen.seconds:.0f} | {seen.step} | {figures} |", flush=True)

            train(run, 60 * minutes, watch)
            renderers: dict[str, Renderer] = {"plain torch": ReferenceRenderer(run.portrait.eval())}
            if name == "ours":
                renderers["kernels for CPUs"] = CpuRenderer(run.portrait)
            for way, renderer in renderers.items():
                print(f"{name}, {way}: {1000 * seconds_a_frame(run, renderer):.0f} ms a frame", flush=True)


def seconds_a_frame(run: Run, renderer: Renderer) -> float:
    """Of a frame of the test split, median."""
    spent = []
    times = run.store.capture.times[np.resize(held_out_frames(run), FRAMES)]
    with torch.inference_mode():
        for time in times:
            condition = run.portrait.table(torch.tensor([time]))
            begin = perf_counter()
            renderer.render(condition, run.portrait.camera)
            spent.append(perf_counter() - begin)
    return median(spent[1:])


if __name__ == "__main__":
    tyro.cli(Rivals).main()
