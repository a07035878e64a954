"""`geneface` and `geneface-splat` on the same capture: one table, and one picture of the same frames.

    PYTHONPATH=. python benchmarks/methods.py CAPTURE --downscale 2

Both are trained by `ns-train`, measured by `geneface evaluate` and written by `geneface export`. Then both draw the
same test frames in turn in one process, all rendered, so that the ratio of their speeds holds on a busy machine too.
What `--output` has of an earlier start is not done again; the lines under the table say on which machine it was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import tyro
from machine import describe
from methods_picture import draw_picture
from quality import BIN, Done, evaluate, once, train
from render_speed import timed

from geneface_ns.capture_format.capture import Capture
from geneface_ns.evaluation.evaluate import CEILING, DRIVEN
from geneface_ns.evaluation.table import ROWS
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.output.drive import condition_of
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.renderers.contract import Renderer
from geneface_ns.trained.load import load_trained
from geneface_ns.trained.methods import METHOD, SPLAT

REAL_TORSO, RENDERED = "head over the real torso", "all rendered"
FIGURES = (
    (REAL_TORSO, ("psnr_db", "mouth_psnr_db")),
    (
        RENDERED,
        (
            *("psnr_db", "mouth_psnr_db", "opening_correlation", "opening_amplitude", "obedience"),
            *("head_jitter", "background_change", "shoulders_change", "hair_change"),
        ),
    ),
    (DRIVEN, ("psnr_db", "opening_correlation", "opening_amplitude")),
)
"""Of `geneface evaluate`: modes, and what is shown of each."""
DRAWN = 20
"""Test frames that are drawn for the speeds."""


@dataclass
class Methods:
    """What is compared."""

    capture: Annotated[Path, tyro.conf.Positional]
    """A capture directory."""
    downscale: int = 2
    """Whole factor by which the pictures are reduced."""
    iterations: int | None = None
    """Of `geneface`, both stages together; left out: its own default."""
    splat_iterations: int | None = None
    """Of `geneface-splat`, alike."""
    generator: str = "prior"
    """What turns speech into motion, as in `geneface evaluate`."""
    output: Path = Path("out/methods")
    """Where trainings, evaluations and person files are kept."""
    picture: Path | None = None
    """The picture, .webp or .png. Default: methods.webp in the output folder."""


class Measured(NamedTuple):
    """A method on the capture."""

    run: Path
    training: Done
    report: dict
    """Of `geneface evaluate`."""
    evaluation: Done
    megabytes: float
    """Of the person file."""


def measure(method: str, iterations: int | None, config: Methods) -> Measured:
    """Train, evaluate and export a method."""
    run, training = train(method, config.capture, iterations, config.downscale, config.output)
    report, evaluation = evaluate(run, "--generator", config.generator)
    file = run / "person.gface"
    once([BIN / "geneface", "export", run, file, "--data", config.capture.absolute()], run / "export.json")
    return Measured(run, training, report, evaluation, file.stat().st_size / 1e6)


def speeds(renderers: dict[str, Renderer], capture: Capture, frames: np.ndarray) -> dict[str, tuple[float, float]]:
    """Frames a second and milliseconds of the processor, of the median frame; drawn in turn."""
    spent: dict[str, list[tuple[float, float]]] = {method: [] for method in renderers}
    for index in (*frames[:2], *frames):  # kernels are compiled or loaded at the first
        face = MotionFrame(capture.landmarks.landmarks[index], capture.landmarks.eye_openness[index])
        for method, renderer in renderers.items():
            condition = condition_of(
                *(capture.c2w[index], capture.body[index], face, renderer.capture_size, renderer.device)
            )
            spent[method].append(timed(renderer, condition, renderer.camera)[1:])
    medians = {method: np.median(times[2:], axis=0) for method, times in spent.items()}
    return {method: (float(1 / wall), float(1000 * used)) for method, (wall, used) in medians.items()}


def table(measured: dict[str, Measured], speed: dict[str, tuple[float, float]]) -> str:
    """Markdown: a method a column, and the ceiling."""
    ceiling = next(iter(measured.values())).report["ceiling"]
    rows = [
        ("steps", *(str(m.report["step"] + 1) for m in measured.values()), "-"),
        ("minutes of training", *(f"{m.training.seconds / 60:.1f}" for m in measured.values()), "-"),
    ]
    for mode, keys in FIGURES:
        for key in keys:
            title, style = ROWS[key]
            figures = [*(m.report["modes"][mode][key] for m in measured.values()), ceiling.get(key)]
            cells = ("-" if figure is None else format(figure, style) for figure in figures)
            rows.append((f"{mode}: {title}", *cells))
    rows += [
        ("all rendered: frames a second", *(f"{fps:.1f}" for fps, _ in speed.values()), "-"),
        ("all rendered: ms of the processor a frame", *(f"{ms:.0f}" for _, ms in speed.values()), "-"),
        ("person file, MB", *(f"{m.megabytes:.1f}" for m in measured.values()), "-"),
    ]
    lines = [("", *measured, CEILING), ("---",) * (len(measured) + 2), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(config: Methods) -> None:
    print(describe())
    iterations = {METHOD: config.iterations, SPLAT: config.splat_iterations}
    measured = {method: measure(method, steps, config) for method, steps in iterations.items()}
    trained = {method: load_trained(m.run, config.capture, "cpu") for method, m in measured.items()}
    renderers = {method: choose_renderer(head.portrait) for method, head in trained.items()}
    capture = trained[METHOD].person
    assert isinstance(capture, Capture)
    test = np.flatnonzero(~capture.is_train & capture.valid)
    speed = speeds(renderers, capture, test[np.linspace(0, len(test) - 1, min(DRAWN, len(test))).round().astype(int)])
    width, height = renderers[METHOD].camera.size
    print(f"{capture.name} at {width}x{height}, {len(test)} test frames, {torch.get_num_threads()} threads\n")
    print(f"{table(measured, speed)}\n")
    for method, m in measured.items():
        print(f"{method}: trained on {m.training.machine}; evaluated on {m.evaluation.machine}")
    picture = config.picture or config.output / "methods.webp"
    draw_picture(renderers, capture, config.downscale, config.generator, picture)
    print(picture)


if __name__ == "__main__":
    main(tyro.cli(Methods))
