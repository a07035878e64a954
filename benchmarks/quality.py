"""Train on a capture through `ns-train geneface`, then `geneface evaluate`; print one table row a run.

    python benchmarks/quality.py CAPTURE --downscale 4 --iterations 4500
    python benchmarks/quality.py CAPTURE --downscale 4 --iterations 4500 --options \
        default pipeline.model.head.move-points=False pipeline.model.torso.use-body-motion=False

Training time is the whole command's, start-up and evaluation pictures included. What an `--output` folder has of an
earlier start is not done again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, NamedTuple

import tyro
from machine import describe

from audio_motion.files import written_whole

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


class Done(NamedTuple):
    """A command that has ended well."""

    seconds: float
    machine: str
    """That it ran on, and the commit."""


def once(command: Sequence[Path | str], record: Path) -> Done:
    """Run a command, unless `record` says that it has been run.

    Raises:
        SystemExit: the record is of another command.
    """
    arguments = [str(argument) for argument in command]
    if record.exists():
        known = json.loads(record.read_text())
        if known["command"] != arguments:
            raise SystemExit(f"{record}: is of another command; choose another --output, or remove {record.parent}")
        return Done(known["seconds"], known["machine"])
    begin = perf_counter()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    done = Done(perf_counter() - begin, describe())
    with written_whole(record) as temporary:
        temporary.write_text(json.dumps({"command": arguments, **done._asdict()}, indent=1) + "\n")
    return done


def train(
    method: str, capture: Path, iterations: int | None, downscale: int, folder: Path, options: Sequence[str] = ()
) -> tuple[Path, Done]:
    """The folder of a run of `ns-train`, and its training.

    Args:
        iterations: None: the method's own.
        folder: where trainings are kept.
        options: further ones of `ns-train`.

    Raises:
        SystemExit: an earlier start was interrupted, so that its time is not known; or was another.
    """
    run = folder.absolute() / "quality" / method / "run"
    record = run / "train.json"
    if run.exists() and not record.exists():
        raise SystemExit(f"{run}: was interrupted, and how long it took is not known; remove it")
    length = [] if iterations is None else ["--max-num-iterations", str(iterations)]
    command = [
        *(BIN / "ns-train", method, "--data", capture.absolute(), "--output-dir", folder.absolute()),
        *("--experiment-name", "quality", "--timestamp", "run", "--vis", "tensorboard"),
        *(*length, *options),
        *("geneface-data", "--downscale-factor", str(downscale)),
    ]
    return run, once(command, record)


def evaluate(run: Path, *options: str) -> tuple[dict, Done]:
    """The report of `geneface evaluate` on a run, with further options of it."""
    done = once([BIN / "geneface", "evaluate", "--load-config", run / "config.yml", *options], run / "evaluate.json")
    return json.loads((run / "evaluation" / "evaluation.json").read_text()), done


def main(config: Quality) -> None:
    print(describe())
    print(f"{config.capture.name}, {config.iterations} iterations")
    print("| options | s | mode | PSNR | SSIM | mouth PSNR | LMD px | opening corr. | amplitude | fps |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        for number, options in enumerate(config.options):
            folder = (config.output or Path(temporary)) / str(number)
            further = [] if options == "default" else [f"--{option}" for option in options.split(",")]
            run, training = train("geneface", config.capture, config.iterations, config.downscale, folder, further)
            report, _ = evaluate(run)
            for name, m in report["modes"].items():
                figures = (
                    f"{m['psnr_db']:.2f} | {m['ssim']:.4f} | {m['mouth_psnr_db']:.2f} | {m['lmd_px']:.3f} | "
                    f"{m['opening_correlation']:.3f} | {m['opening_amplitude']:.2f} | {m['fps']:.1f}"
                )
                print(f"| {options} | {training.seconds:.0f} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Quality))
