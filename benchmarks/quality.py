"""Train on a capture through `ns-train geneface`, then `geneface evaluate`; print one table row a run.

    python benchmarks/quality.py CAPTURE --downscale 4 --iterations 4500
    python benchmarks/quality.py CAPTURE --downscale 4 --iterations 4500 --options \
        default pipeline.model.head.move-points=False pipeline.model.torso.use-body-motion=False

Training time is the whole command's, start-up and evaluation pictures included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import tyro
from machine import describe

BIN = Path(sys.executable).parent


@dataclass
class Quality:
    """What to train and how often."""

    capture: Annotated[Path, tyro.conf.Positional]
    """A capture directory."""
    downscale: int = 4
    """Whole factor by which the pictures are reduced."""
    iterations: int = 4500
    """Of both stages together."""
    options: tuple[str, ...] = ("default",)
    """One training for each: `default`, or further options of `ns-train geneface` as NAME=VALUE without the dashes,
    joined by commas."""
    output: Path | None = None
    """Where trainings are kept; left out: a temporary folder."""


def train_and_evaluate(config: Quality, options: str, folder: Path) -> tuple[float, dict]:
    """Seconds of the training command, and the report of `geneface evaluate`."""
    further = [] if options == "default" else [f"--{option}" for option in options.split(",")]
    begin = perf_counter()
    subprocess.run(
        [
            *(BIN / "ns-train", "geneface", "--data", config.capture, "--output-dir", folder),
            *("--experiment-name", "quality", "--timestamp", "run", "--vis", "tensorboard"),
            *("--max-num-iterations", str(config.iterations), *further),
            *("geneface-data", "--downscale-factor", str(config.downscale)),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = perf_counter() - begin
    run = folder / "quality" / "geneface" / "run"
    subprocess.run(
        [BIN / "geneface", "evaluate", "--load-config", run / "config.yml"], check=True, stdout=subprocess.DEVNULL
    )
    return seconds, json.loads((run / "evaluation" / "evaluation.json").read_text())


def main(config: Quality) -> None:
    print(describe())
    print(f"{config.capture.name}, {config.iterations} iterations")
    print("| options | s | mode | PSNR | SSIM | mouth PSNR | LMD px | opening corr. | amplitude | fps |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        for number, options in enumerate(config.options):
            folder = (config.output or Path(temporary)) / str(number)
            seconds, report = train_and_evaluate(config, options, folder)
            for name, m in report["modes"].items():
                figures = (
                    f"{m['psnr_db']:.2f} | {m['ssim']:.4f} | {m['mouth_psnr_db']:.2f} | {m['lmd_px']:.3f} | "
                    f"{m['opening_correlation']:.3f} | {m['opening_amplitude']:.2f} | {m['fps']:.1f}"
                )
                print(f"| {options} | {seconds:.0f} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Quality))
