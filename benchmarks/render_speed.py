"""How fast the renderers draw a trained head, and how far the CPU's is from the reference.

    PYTHONPATH=. python benchmarks/render_speed.py RUN

Both draw the same frames in turn in one process, so that their ratio holds on a busy machine too; frames a second are
those of the median frame, everything but encoding. Seconds of processor time are printed beside: they count all threads
and hardly change when others use the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe

from geneface_ns.nerf.trained import load_trained
from geneface_ns.renderers.contract import Layers, Renderer
from geneface_ns.renderers.cpu import CpuRenderer
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition


@dataclass
class RenderSpeed:
    """What is drawn."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run of `ns-train geneface`, or a person file."""
    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""
    sizes: tuple[int, ...] = (128, 256, 512)
    """Pixels of the picture's longer side."""
    frames: int = 10
    """Of each size, spread over the person's own video."""


def timed(renderer: Renderer, condition: Condition, camera: Pinhole) -> tuple[Layers, float, float]:
    """A picture, the seconds it took, and the processor's."""
    began, used = perf_counter(), process_time()
    with torch.inference_mode():
        layers = renderer.render(condition, camera)
    return layers, perf_counter() - began, process_time() - used


def decibels(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(-10 * torch.log10((one - other).square().mean().clamp_min(1e-12)))


def main(config: RenderSpeed) -> None:
    print(describe())
    most = torch.get_num_threads()
    portrait = load_trained(config.run, config.data, "cpu").portrait
    renderers: dict[str, Renderer] = {"reference": ReferenceRenderer(portrait), "cpu": CpuRenderer(portrait)}
    conditions = [portrait.table(torch.tensor([i / config.frames])) for i in range(config.frames)]
    for name, renderer in renderers.items():
        seconds = [timed(renderer, conditions[0], portrait.camera)[1] for _ in range(2)]
        print(f"{name}: first picture {seconds[0]:.1f} s, kernels compiled or loaded; the next {seconds[1]:.3f} s")
    print("| size | threads | reference: fps, CPU ms | cpu: fps, CPU ms | times | cpu to reference, worst frame |")
    print("| --- | --- | --- | --- | --- | --- |")
    for longer in config.sizes:
        factor = longer / max(portrait.camera.size)
        size = round(portrait.camera.size[0] * factor), round(portrait.camera.size[1] * factor)
        camera = portrait.camera.scaled_to(size)
        for threads in sorted({1, most}):
            torch.set_num_threads(threads)
            spent: dict[str, list[tuple[float, float]]] = {name: [] for name in renderers}
            apart = []
            for condition in conditions:
                drawn = []
                for name, renderer in renderers.items():
                    layers, *times = timed(renderer, condition, camera)
                    drawn.append(layers.rgb)
                    spent[name].append((times[0], times[1]))
                apart.append(decibels(*drawn))
            medians = {name: np.median(times, axis=0) for name, times in spent.items()}
            cells = [f"{1 / wall:.1f}, {1000 * used:.0f}" for wall, used in medians.values()]
            times = medians["reference"][0] / medians["cpu"][0]
            print(
                f"| {size[0]}x{size[1]} | {threads} | {' | '.join(cells)} | {times:.1f} | {min(apart):.1f} dB |",
                flush=True,
            )


if __name__ == "__main__":
    main(tyro.cli(RenderSpeed))
