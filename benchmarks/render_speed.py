"""How fast the renderers draw a trained head, and how far the CPU's is from the reference.

    PYTHONPATH=. python benchmarks/render_speed.py RUN

Both draw the same frames in turn in one process, so that their ratio holds on a busy machine too; frames a second are
those of the median frame, everything but encoding. Seconds of processor time are printed beside: they count all threads
and hardly change when others use the machine.

A second table has frames of `--replay`, in turn with whole ones by the renderer for CPUs, at the trained size: from the
footage on the disk to the finished frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe

from geneface_ns.capture_format.capture import Capture
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.output.drive import drive
from geneface_ns.output.replay import replay_of
from geneface_ns.renderers.contract import Layers, Renderer
from geneface_ns.renderers.cpu import CpuRenderer
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.trained.load import load_trained


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
    trained = load_trained(config.run, config.data, "cpu")
    portrait = trained.portrait
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
    if isinstance(trained.person, Capture):
        replayed(trained.person, renderers["cpu"], config.frames, most)


def replayed(capture: Capture, renderer: Renderer, count: int, most: int) -> None:
    """Print the table of frames of footage with a mouth drawn into it, against frames that are drawn whole."""
    replay = replay_of(capture, None)
    size, view = renderer.camera.size, partial(replay.view, own=renderer.camera)
    landmarks = capture.landmarks
    faces = [MotionFrame(landmarks.landmarks[n], landmarks.eye_openness[n]) for n in replay.frames[: count + 1]]
    print("| size | threads | whole: fps, CPU ms | replay: fps, CPU ms | times | rays of a frame, replay to whole |")
    print("| --- | --- | --- | --- | --- | --- |")
    for threads in sorted({1, most}):
        torch.set_num_threads(threads)
        spent: dict[str, list[tuple[float, float]]] = {"whole": [], "replay": []}
        ways = {
            "whole": drive(renderer, replay.trajectory, faces, capture.fps, size),
            "replay": drive(
                *(renderer, replay.trajectory, replay.spoken(faces), capture.fps, view),
                finish=replay.finish_from(0, Path("unused")),
            ),
        }
        for _ in faces:
            for name, frames in ways.items():
                began, used = perf_counter(), process_time()
                next(frames)
                spent[name].append((perf_counter() - began, process_time() - used))
        medians = {name: np.median(times, axis=0) for name, times in spent.items()}
        cells = [f"{1 / wall:.1f}, {1000 * used:.0f}" for wall, used in medians.values()]
        rays = np.median([view(index).wanted.sum() for index in range(count)]) / np.prod(size)
        times = medians["whole"][0] / medians["replay"][0]
        print(f"| {size[0]}x{size[1]} | {threads} | {' | '.join(cells)} | {times:.1f} | {rays:.2f} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(RenderSpeed))
