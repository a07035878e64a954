"""`kill -9` at any moment, then the same command again: it ends well, with what an undisturbed run gives.

GENEFACE_KILLS sets how many moments are tried for each command (2).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from geneface_ns.output.pieces import SECONDS
from geneface_ns.synthetic import speech_names, speech_track, write_clip
from geneface_ns.synthetic.clip import write_sound
from geneface_ns.synthetic.exact_capture import write_exact_capture
from tests.geneface_ns.killable import Killable

KILLS = int(os.environ.get("GENEFACE_KILLS", "2"))


@pytest.fixture(scope="module")
def commands() -> Iterator[Killable]:
    with Killable() as started:
        yield started


def survives(
    commands: Killable,
    words: Callable[[Path], tuple[object, ...]],
    root: Path,
    same: Callable[[Path, Path], None],
    seed: int,
) -> None:
    """Kill the command at KILLS random moments, each in a place of its own, and run it again there.

    Args:
        words: the command that writes to a folder.
        root: where the folders go.
        same: asserts that a folder holds what the first, of the undisturbed run, holds.
    """
    root.mkdir()
    whole = root / "undisturbed"
    ended = commands.run(whole, *words(whole))
    assert ended.code == 0, ended.printed[-2000:]
    rng = np.random.default_rng(seed)
    for number in range(KILLS):
        place = root / f"killed-{number}"
        operation, after = moment_of(ended.operations, rng, by_time=number % 2 == 1)
        moment = f"kill {number} at operation {operation} of {len(ended.operations)} + {after:.3f} s"
        killed = commands.run(place, *words(place), kill_at=operation, after=after)
        assert killed.code in (-9, 0), f"{moment}: {killed.printed[-2000:]}"
        again = commands.run(place, *words(place))
        assert again.code == 0, f"{moment}: {again.printed[-2000:]}"
        print(moment, "killed" if killed.code else "had ended")
        same(whole, place)
        shutil.rmtree(place)


def moment_of(operations: list[float], rng: np.random.Generator, by_time: bool) -> tuple[int, float]:
    """An operation and the seconds since: as likely in each gap between two, or in each stretch of time."""
    if by_time:
        second = rng.uniform(operations[0], operations[-1])
        operation = int(np.searchsorted(operations, second, "right")) - 1
        return operation, float(second - operations[operation])
    operation = int(rng.integers(len(operations) - 1))
    return operation, float(rng.uniform(0, operations[operation + 1] - operations[operation]))


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "tfevents" not in path.name}


def test_process(commands: Killable, tmp_path: Path) -> None:
    clip = tmp_path / "talk.mp4"
    write_clip(clip, seed=1, speech=speech_names("train")[:1], size=160, fps=10.0, seconds=3.0)

    def same(whole: Path, place: Path) -> None:
        assert names(place) == names(whole)
        timed = {"report.json", ".process/state.json"}
        for name in names(whole) - timed:
            if (whole / name).is_file():
                assert (place / name).read_bytes() == (whole / name).read_bytes(), name
        a, b = (json.loads((folder / "report.json").read_text()) for folder in (whole, place))
        assert {**a, "stage_seconds": 0} == {**b, "stage_seconds": 0}

    survives(
        commands, lambda place: ("geneface", "process", clip, place, "--no-align"), tmp_path / "captures", same, seed=1
    )


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "capture"
    write_exact_capture(folder)
    return folder


def training(capture: Path, output: Path) -> tuple[object, ...]:
    return (
        *("ns-train", "geneface", "--data", capture, "--output-dir", output, "--experiment-name", "x"),
        *("--timestamp", "run", "--vis", "tensorboard", "--machine.device-type", "cpu"),
        *("--max-num-iterations", 24, "--steps-per-save", 6, "--steps-per-eval-image", 0),
        *("--pipeline.datamanager.train-num-rays-per-batch", 256, "--pipeline.model.coarse-steps", 8),
    )


def test_train(commands: Killable, capture: Path, tmp_path: Path) -> None:
    def same(whole: Path, place: Path) -> None:
        assert names(place) == names(whole)
        path = Path("x/geneface/run/nerfstudio_models/step-000000023.ckpt")
        a, b = (torch.load(folder / path, map_location="cpu", weights_only=True) for folder in (whole, place))
        for name, value in a["pipeline"].items():
            assert torch.equal(b["pipeline"][name], value), name
        assert a["schedulers"] == b["schedulers"]

    survives(commands, lambda place: training(capture, place), tmp_path / "runs", same, seed=2)


def test_render(commands: Killable, capture: Path, tmp_path: Path) -> None:
    assert commands.run(tmp_path / "out", *training(capture, tmp_path / "out")).code == 0
    speech = tmp_path / "speech.wav"
    # Longer than a piece, so that there are finished ones to go on from.
    write_sound(speech, speech_track(speech_names("unseen"), 1).sound[: round(1.2 * SECONDS * 16000)])

    def frames(folder: Path) -> np.ndarray:
        with av.open(str(folder / "said.mp4")) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])

    def same(whole: Path, place: Path) -> None:
        assert names(place) == names(whole) == {"said.mp4"}
        np.testing.assert_array_equal(frames(place), frames(whole))

    survives(
        commands,
        lambda place: (
            *("geneface", "render", "--load-config", tmp_path / "out" / "x" / "geneface" / "run", "--audio", speech),
            *("--generator", PRETRAINED_GENERATOR, "--output", place / "said.mp4"),
        ),
        tmp_path / "videos",
        same,
        seed=3,
    )
