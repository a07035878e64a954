"""Speech to motion on speakers never seen: five folds by person, with baselines and ablations in one table.

    audio-motion corpus CLIPS CORPUS --speaker-table speakers.csv --lag-confidence 99
    python benchmarks/speech_to_motion.py CORPUS --delays delays.csv --ablated 0 1 2
    python benchmarks/speech_to_motion.py CORPUS --delays delays.csv --features mel

In each fold a tenth of the training speakers is held out for early stopping and amplitude; the test speakers are
touched once, at the end. Figures are frame-weighted means over the test speakers' recordings.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe

from audio_motion.corpus.clip import on_one_clock
from audio_motion.data.augmentation import NO_AUGMENTATION
from audio_motion.data.corpus import load_corpus
from audio_motion.data.recording import Recording, align, pool_speakers
from audio_motion.data.sources import load_recordings
from audio_motion.errors import InputError
from audio_motion.evaluation.measures import Measures, average, measure
from audio_motion.evaluation.predictors import Predictor, mean_face, nearest_neighbour, ridge, speak
from audio_motion.features.interface import DEFAULT, open_features
from audio_motion.models.checkpoint import load_generator, load_syncnet, save_generator, save_syncnet
from audio_motion.models.syncnet import SyncExpert
from audio_motion.sync import lag_of, lag_scores, sync_accuracy
from audio_motion.training.generator import GeneratorTraining, fit_generator
from audio_motion.training.syncnet import SyncTraining, fit_syncnet

Rows = list[tuple[Measures, int]]
"""Figures of recordings, and their valid frames."""


@dataclass
class Folds:
    """What to train on."""

    corpus: Annotated[Path, tyro.conf.Positional]
    """Of `audio-motion corpus`."""
    delays: Path | None = None
    """CSV with the columns file and late: seconds by which each clip's sound comes late, measured by other means. The
    corpus must then have left all sound where it was. Without it the corpus's own corrections are used."""
    features: str = DEFAULT
    """Speech features, as `audio-motion train` takes them."""
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Which of the five."""
    ablated: tuple[int, ...] = ()
    """Folds on which to train the ablations too."""
    workers: int = 2
    """Trainings at once, a thread each."""
    output: Path = Path("speech_to_motion")
    """Folder for the table (JSON) and for all that was trained: a benchmark that was stopped goes on, and one of more
    ablations trains only those. Name another folder for other features, recordings or code."""


@dataclass(frozen=True)
class Fold:
    """One fold's recordings."""

    number: int
    trained: list[Recording]
    held: list[Recording]
    test: list[Recording]


def load(config: Folds) -> list[Recording]:
    """All recordings of the corpus that are long enough, each on one clock with its sound."""
    features = open_features(config.features)
    if config.delays is None:
        return load_recordings(config.corpus, features, "all")
    with config.delays.open(newline="") as file:
        late = {row["file"]: float(row["late"]) for row in csv.DictReader(file)}
    moved = [c["name"] for c in json.loads((config.corpus / "corpus.json").read_text())["clips"] if c["shifted"] != 0]
    assert not moved, f"{config.corpus}: has moved the sound of {moved[0]}; make it with --lag-confidence 99"
    found = []
    for clip in load_corpus(config.corpus):
        try:
            sequence, samples, _ = on_one_clock(clip.sequence, clip.samples, late.get(clip.name, 0.0))
            found.append(align(sequence, samples, features, clip.name))
        except InputError as error:
            print(f"left out: {error}")
    return pool_speakers(found)


def fold_of(recordings: list[Recording]) -> dict[str, int]:
    """Person -> fold, the folds about equally long."""
    frames: dict[str, int] = {}
    for recording in recordings:
        frames[recording.face.person] = frames.get(recording.face.person, 0) + len(recording.offsets)
    total, folds = [0] * 5, {}
    for person in sorted(frames, key=lambda person: (-frames[person], person)):
        folds[person] = int(np.argmin(total))
        total[folds[person]] += frames[person]
    return folds


def judge(expert: SyncExpert, recordings: list[Recording], window: int) -> float:
    """The expert's accuracy on true motion."""
    right = made = 0.0
    for r in recordings:
        share, count = sync_accuracy(lag_scores(expert, r), window)
        right, made = right + share * count, made + count
    return right / max(1.0, made)


def ablations(base: GeneratorTraining) -> dict[str, GeneratorTraining]:
    """The generator without one of its parts each."""
    return {
        "without the flow prior": replace(base, model=replace(base.model, flow_steps=0)),
        "without the sync loss": replace(base, sync=0.0),
        "without pitch": replace(base, model=replace(base.model, pitch=False)),
        "without the correlation loss": replace(base, correlation=0.0),
        "without the EMA": replace(base, loop=replace(base.loop, ema_decay=0.0)),
        "without augmentation": replace(base, augmentation=NO_AUGMENTATION),
    }


def split(recordings: list[Recording], number: int) -> Fold:
    """The recordings of one fold."""
    folds = fold_of(recordings)
    others = sorted({person for person, fold in folds.items() if fold != number})
    chosen = np.random.default_rng(number).choice(others, max(2, len(others) // 10), replace=False)
    parts: tuple[list[Recording], ...] = ([], [], [])
    for r in recordings:
        person = r.face.person
        parts[2 if folds[person] == number else 1 if person in chosen else 0].append(r)
    return Fold(number, *parts)


# Set before the workers are forked, which so share them.
_recordings: list[Recording] = []
_config = Folds(Path())


def _expert(number: int) -> tuple[SyncExpert, list[float]]:
    """Train a fold's expert; with its accuracies on the test speakers by windows of 5, 10 and 25 frames."""
    torch.set_num_threads(1)
    fold, begin = split(_recordings, number), perf_counter()
    kept, features = _config.output / f"fold {number} expert.safetensors", open_features(_config.features)
    if not kept.is_file():
        save_syncnet(kept, fit_syncnet(fold.trained, fold.held, features, SyncTraining()))
    expert = load_syncnet(kept, features=_config.features).model
    accuracies = [judge(expert, fold.test, window) for window in (5, 10, 25)]
    shown = ", ".join(f"{a:.3f}" for a in accuracies)
    print(f"fold {number}: expert {perf_counter() - begin:.0f} s, {shown}; {delays(fold.test, expert)}", flush=True)
    return expert, accuracies


def _trained(number: int, name: str, config: GeneratorTraining, expert: SyncExpert) -> dict[str, Rows]:
    """Train a fold's generator; its figures, and the baselines' beside the whole generator's."""
    torch.set_num_threads(1)
    fold, begin = split(_recordings, number), perf_counter()
    kept, features = _config.output / f"fold {number} {name}.safetensors", open_features(_config.features)
    if not kept.is_file():
        save_generator(kept, fit_generator(fold.trained, fold.held, features, config, expert))
    generator = load_generator(kept, features=_config.features)
    predictors: dict[str, Predictor] = {name: speak(generator)}
    if name == "generator":
        scale = float(np.median([r.face.scale for r in fold.trained]))
        predictors["mean face"] = mean_face()
        predictors["ridge regression"] = ridge(fold.trained, scale)
        predictors["nearest neighbour"] = nearest_neighbour(fold.trained, scale)
        predictors["generator, temperature 1"] = speak(generator, 1.0)
        predictors["generator, amplitude not corrected"] = speak(generator, amplitude=1.0)
    rows = {
        row: [(measure(r, predict(r), expert), int(r.valid.sum())) for r in fold.test]
        for row, predict in predictors.items()
    }
    mean = average(*zip(*rows[name], strict=True))
    took, steps = perf_counter() - begin, generator.training["steps"]
    shown = f"opening {mean.opening_correlation:.3f}, width {mean.width_correlation:.3f}"
    print(f"fold {number}: {name} {took:.0f} s, {steps} steps, {shown}", flush=True)
    return rows


def main(config: Folds) -> None:
    global _recordings, _config
    print(describe())
    config.output.mkdir(parents=True, exist_ok=True)
    _recordings, _config = load(config), config
    speakers, minutes = len({r.face.person for r in _recordings}), sum(r.seconds for r in _recordings) / 60
    print(f"{config.features}: {len(_recordings)} recordings, {speakers} speakers, {minutes:.1f} minutes", flush=True)
    base = GeneratorTraining.corpus()
    with ProcessPoolExecutor(config.workers, get_context("fork")) as pool:
        experts = dict(zip(config.folds, pool.map(_expert, config.folds), strict=True))
        tasks = [(fold, "generator", base) for fold in config.folds]
        tasks += [(fold, *item) for item in ablations(base).items() for fold in config.ablated]
        waiting = [pool.submit(_trained, fold, name, made, experts[fold][0]) for fold, name, made in tasks]
        results: dict[str, dict[int, Rows]] = {}
        for (fold, *_), future in zip(tasks, waiting, strict=True):
            for name, rows in future.result().items():
                results.setdefault(name, {})[fold] = rows
    accuracies = np.mean([experts[fold][1] for fold in config.folds], axis=0)
    print("sync expert on true motion, windows of 0.2, 0.4 and 1 s:", accuracies.round(4))
    whole = table(results, config.folds)
    ablated = table(results, config.ablated) if config.ablated else {}
    report = {"features": config.features, "models": whole, "ablations": ablated, "expert": accuracies.tolist()}
    (config.output / "table.json").write_text(json.dumps(report, indent=1))


def delays(recordings: list[Recording], expert: SyncExpert) -> str:
    """What the expert says of sounds that were put right by hand or measurement: 0 is expected."""
    found = []
    for r in recordings:
        if r.seconds >= 10.0:
            found.append(lag_of(lag_scores(expert, r)).seconds)
    size = np.abs(found)
    near = np.mean(size <= 0.04)
    return f"delays of 10 s and more: median {np.median(size):.3f} s off, within 0.04 s: {near:.0%} of {len(found)}"


def table(results: dict[str, dict[int, Rows]], folds: Sequence[int]) -> dict[str, dict[str, float]]:
    """Print the figures of the models that all these folds have; returns them."""
    print(f"\nfolds {', '.join(map(str, folds))}")
    print("| model | opening | width | amplitude | mouth err. | mouth dist. | face dist. | jitter | sync | offset s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    figures = {}
    for name, by_fold in results.items():
        if set(folds) <= by_fold.keys():
            rows = [row for fold in folds for row in by_fold[fold]]
            figures[name] = asdict(average(*zip(*rows, strict=True)))
            print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in figures[name].values()) + " |", flush=True)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Folds))
