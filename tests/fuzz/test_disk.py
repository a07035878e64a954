"""What a disk can do to a command, while it reads and while it writes: one line, exit code 2, nothing half-written, and
what stood there before is kept.

Root may read and write everything: for it the commands run as nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.cases import evaluate_speech, predict, process, render, track, train

Words = Callable[[Path, Path], tuple[object, ...]]
NOBODY = 65534 if os.geteuid() == 0 else None


def evaluate_head(originals: Path, out: Path, *more: object) -> tuple[object, ...]:
    given = (*more, "--output", out / "a", "--generator", originals / "generator.safetensors", "--device", "cpu")
    return ("geneface", "evaluate", "--load-config", originals / "run", *given)


def postnet(originals: Path, out: Path, *more: object) -> tuple[object, ...]:
    given = {"--generator": originals / "generator.safetensors", "--expert": originals / "expert.safetensors"}
    given |= dict(zip(more[::2], more[1::2], strict=True))  # type: ignore[arg-type]
    words = (word for pair in given.items() for word in pair)
    return (
        *("audio-motion", "train", "postnet", originals / "motion.npz", "--output", out / "a.safetensors"),
        *("--steps", 1, *words),
    )


WRITERS: dict[str, tuple[Words, str]] = {
    "predict": (lambda o, out: predict(o, o / "speech.wav", out), "a.npz"),
    "track": (lambda o, out: track(o, o / "face.mp4", out), "a.npz"),
    "train generator": (lambda o, out: train(o, o / "motion.npz", out), "a.safetensors"),
    "train syncnet": (
        lambda o, out: (
            *("audio-motion", "train", "syncnet", o / "motion.npz", "--output", out / "a.safetensors"),
            *("--steps", 1),
        ),
        "a.safetensors",
    ),
    "train postnet": (postnet, "a.safetensors"),
    "evaluate": (lambda o, out: evaluate_speech(o, o / "speech.wav", out), "a/evaluation.json"),
    "corpus": (lambda o, out: ("audio-motion", "corpus", o / "videos", out / "made"), "made/corpus.json"),
    "process": (lambda o, out: process(o, o / "face.mp4", out), "a/.process/state.json"),
    "process, begun": (
        lambda o, out: ("geneface", "process", o / "clip.mp4", out / "begun", "--no-align"),
        "begun/images/00000.png",
    ),
    "render": (lambda o, out: render(o, out), "a.mp4"),
    "evaluate a head": (evaluate_head, "a/side_by_side.mp4"),
}
