"""How fast Gaussians become a picture on a CPU, and gradients come back.

    PYTHONPATH=. python benchmarks/rasterise.py

As many Gaussians as a head has, on the front of an ellipsoid that fills a third of the picture, most of them opaque.
Medians; seconds of processor time are printed beside, which count all threads and hardly change when others use the
machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np
import torch
import tyro
from machine import describe
from torch import Tensor

from geneface_ns.splat.rasteriser import rasterise


@dataclass
class Rasterise:
    """What is drawn."""

    gaussians: int = 20_000
    """On the head."""
    sizes: tuple[int, ...] = (128, 256, 512)
    """Pixels along each side of the picture."""
    threads: int = 2
    """To use."""
    repeats: int = 20
    """Of each figure."""


def head(count: int) -> list[Tensor]:
    """Means, quats, scales, opacities and colours of Gaussians that lie flat on the front of an ellipsoid."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    directions[:, 2] = -directions[:, 2].abs()  # towards the camera
    means = directions * torch.tensor([0.75, 1.0, 0.75])
    # The rotation that takes z to the normal.
    quats = torch.stack([1 + directions[:, 2], -directions[:, 1], directions[:, 0], torch.zeros(count)], dim=1)
    spacing = math.sqrt(2 * math.pi * 0.75 / count)
    scales = spacing * 0.6 * torch.exp(0.3 * torch.randn(count, 3, generator=generator))
    scales[:, 2] *= 0.2
    opacities = torch.sigmoid(torch.randn(count, generator=generator) + 2)
    return [means, quats, scales, opacities, torch.rand(count, 3, generator=generator)]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds, and the processor's."""
    began, used = perf_counter(), process_time()
    work()
    return 1000 * (perf_counter() - began), 1000 * (process_time() - used)


def main(config: Rasterise) -> None:
    print(describe())
    torch.set_num_threads(1)
    leaves = [tensor.requires_grad_() for tensor in head(config.gaussians)]
    view = torch.eye(4)[None].clone()
    view[0, 2, 3] = 5.0
    print("| size | covered | pairs | forward: ms, CPU ms | forward with gradients | backward |")
    print("| --- | --- | --- | --- | --- | --- |")
    for size in config.sizes:
        focal = 1.87 * size  # the ellipsoid covers a third
        lens = torch.tensor([[[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]])

        def draw(lens: Tensor = lens, size: int = size) -> tuple[Tensor, Tensor, dict]:
            return rasterise(*leaves, view, lens, size, size, threads=config.threads)

        def draw_alone(draw: Callable = draw) -> None:
            with torch.no_grad():
                draw()

        spent: list[list[tuple[float, float]]] = [[], [], []]
        for _ in range(config.repeats + 1):
            spent[0].append(timed(draw_alone))
            result: list[Tensor] = []
            spent[1].append(timed(lambda draw=draw, result=result: result.append(draw()[0])))
            given = torch.randn_like(result[0])
            spent[2].append(timed(lambda result=result, given=given: result[0].backward(given)))
        _, alphas, info = draw()
        cells = [np.median(times[1:], axis=0) for times in spent]
        row = " | ".join(f"{wall:.1f}, {used:.1f}" for wall, used in cells)
        covered = float((alphas > 0.5).float().mean())
        print(f"| {size}² | {100 * covered:.0f} % | {len(info['flatten_ids'])} | {row} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Rasterise))
