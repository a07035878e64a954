"""Speech to motion on speakers never seen: five folds by person, with baselines and ablations in one table.

    python benchmarks/speech_to_motion.py CORPUS … --features mel
    python benchmarks/speech_to_motion.py CORPUS … --features whisper:DIR@4 --ablations False

In each fold a tenth of the training speakers is held out for early stopping and amplitude; the test speakers are
touched once, at the end. Figures are frame-weighted means over the test speakers' recordings.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import tyro
from machine import describe

from audio_motion.evaluation.measures import Measures, average, measure
from audio_motion.evaluation.predictors import mean_face, nearest_neighbour, ridge, speak
from audio_motion.features.interface import SpeechFeatures, open_features
from audio_motion.models.syncnet import SyncExpert
from audio_motion.sync import lag_of, lag_scores, sync_accuracy
from audio_motion.training.generator import GeneratorTraining, fit_generator
from audio_motion.training.recordings import Recording, load_recordings, share_spread
from audio_motion.training.syncnet import SyncTraining, fit_syncnet


@dataclass
class Folds:
    """What to train on."""

    sources: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Corpora, captures or .npz sequences; folders of .npz sequences too."""
    features: str = "mel"
    """Speech features, as `audio-motion train` takes them."""
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Which of the five."""
    ablations: bool = True
    """Also train without flow prior, without sync loss, without pitch."""
    output: Path | None = None
    """JSON to write."""


def load(sources: tuple[Path, ...], features: SpeechFeatures) -> list[Recording]:
    """All recordings that the sources hold."""
    found: list[Recording] = []
    for source in sources:
        listed = sorted(source.glob("*.npz")) if source.is_dir() and not (source / "corpus.json").is_file() else []
        for path in listed or [source]:
            found += load_recordings(path, features)
    return share_spread(found)


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
        motion = (r.offsets / r.face.spread).flatten(1).T[None]
        share, count = sync_accuracy(lag_scores(expert, r.features.T[None], motion, r.valid[None]), window)
        right, made = right + share * count, made + count
    return right / max(1.0, made)


def main(config: Folds) -> None:
    print(describe())
    features = open_features(config.features)
    recordings = load(config.sources, features)
    folds = fold_of(recordings)
    minutes = sum(r.seconds for r in recordings) / 60
    print(f"{features.name}: {len(recordings)} recordings, {len(folds)} speakers, {minutes:.1f} minutes", flush=True)
    results: dict[str, list[tuple[Measures, int]]] = {}
    experts: dict[int, list[float]] = {5: [], 10: [], 25: []}
    for fold in config.folds:
        test = [r for r in recordings if folds[r.face.person] == fold]
        others = sorted({r.face.person for r in recordings if folds[r.face.person] != fold})
        chosen = np.random.default_rng(fold).choice(others, max(2, len(others) // 10), replace=False)
        held = [r for r in recordings if r.face.person in chosen]
        trained = [r for r in recordings if folds[r.face.person] != fold and r.face.person not in chosen]
        begin = perf_counter()
        expert = fit_syncnet(trained, held, features, SyncTraining()).model
        for window, accuracies in experts.items():
            accuracies.append(judge(expert, test, window))
        print(f"fold {fold}: expert {perf_counter() - begin:.0f} s, ", {w: round(a[-1], 3) for w, a in experts.items()})
        base = GeneratorTraining.corpus()
        configs = {"generator": base}
        if config.ablations:
            configs["without the flow prior"] = replace(base, model=replace(base.model, flow_steps=0))
            configs["without the sync loss"] = replace(base, sync=0.0)
            configs["without pitch"] = replace(base, model=replace(base.model, pitch=False))
        spread = float(np.median([r.face.spread for r in trained]))
        predictors = {"mean face": mean_face(), "ridge regression": ridge(trained, spread)}
        predictors["nearest neighbour"] = nearest_neighbour(trained, spread)
        for name, training in configs.items():
            begin = perf_counter()
            generator = fit_generator(trained, held, features, training, expert)
            print(
                f"fold {fold}: {name} {perf_counter() - begin:.0f} s, {generator.training['steps']} steps", flush=True
            )
            predictors[name] = speak(generator)
            if name == "generator":
                predictors["generator, temperature 1"] = speak(generator, 1.0)
                predictors["generator, amplitude not corrected"] = speak(generator, amplitude=1.0)
        for name, predict in predictors.items():
            results.setdefault(name, []).extend((measure(r, predict(r), expert), int(r.valid.sum())) for r in test)
            if name == "generator":
                print(f"fold {fold}: delays of unseen recordings of 10 s and more:", delays(test, expert))
        report(results, experts, config, features)


def delays(recordings: list[Recording], expert: SyncExpert) -> str:
    """What the expert says of sounds that were put right by hand or measurement: 0 is expected."""
    found = []
    for r in recordings:
        if r.seconds >= 10.0:
            motion = (r.offsets / r.face.spread).flatten(1).T[None]
            found.append(lag_of(lag_scores(expert, r.features.T[None], motion, r.valid[None])).seconds)
    size = np.abs(found)
    return f"median {np.median(size):.3f} s, within 0.04 s: {np.mean(size <= 0.04):.0%} of {len(found)}"


def report(
    results: dict[str, list[tuple[Measures, int]]],
    experts: dict[int, list[float]],
    config: Folds,
    features: SpeechFeatures,
) -> None:
    """Print the table of what is known so far."""
    print("| model | opening | width | amplitude | mouth err. | mouth dist. | face dist. | jitter | sync | offset s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    means = {name: average(*zip(*rows, strict=True)) for name, rows in results.items()}
    for name, mean in means.items():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in asdict(mean).values()) + " |")
    accuracies = {f"{w / 25:.1f} s": round(float(np.mean(a)), 4) for w, a in experts.items()}
    print(f"sync expert on true motion, windows of: {accuracies}", flush=True)
    if config.output:
        figures = {name: asdict(mean) for name, mean in means.items()}
        config.output.write_text(
            json.dumps({"features": features.name, "models": figures, "expert": accuracies}, indent=1)
        )


if __name__ == "__main__":
    main(tyro.cli(Folds))
