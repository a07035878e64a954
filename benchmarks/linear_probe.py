"""What kinds of speech features say about the mouth, by ridge regression on five folds by person.

    python benchmarks/linear_probe.py CORPUS --delays delays.csv --features mel whisper whisper:base@3 --speech SOUND …

An encoder's channels are standardised and reduced to their first 128 whitened principal components; the regression
hears 0.24 s before and after a frame (`evaluation.predictors.ridge`, with ten times its penalty). Figures are
frame-weighted means over recordings of speakers that the regression never heard. Of each SOUND, which needs no picture:
how the opening that a kind of features gives correlates with the opening that the last kind gives, all speakers learnt
from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe
from speech_to_motion import Folds, fold_of, load
from torch import Tensor

from audio_motion.data.recording import Recording
from audio_motion.evaluation.measures import Measures, average, correlation, measure
from audio_motion.evaluation.predictors import Predictor, ridge
from audio_motion.features.interface import open_features
from audio_motion.features.level import levelled
from audio_motion.features.prosody import PROSODY
from audio_motion.media import load_audio
from audio_motion.topology import mouth_opening

COMPONENTS = 128
PENALTY = 3000.0


@dataclass
class Probe:
    """What to learn from, and what to compare."""

    corpus: Annotated[Path, tyro.conf.Positional]
    """Of `audio-motion corpus`."""
    delays: Path | None = None
    """As in `speech_to_motion.py`."""
    features: tuple[str, ...] = ("mel", "whisper")
    """Speech features, as `audio-motion train` takes them."""
    speech: tuple[Path, ...] = ()
    """Sounds without a picture."""


def main(config: Probe) -> None:
    print(describe())
    torch.set_num_threads(1)
    openings: dict[Path, list[np.ndarray]] = {path: [] for path in config.speech}
    print("| features | channels | opening | width | mouth error | times real time |")
    print("| --- | --- | --- | --- | --- | --- |")
    for spec in config.features:
        features = open_features(spec)
        recordings = load(Folds(config.corpus, config.delays, spec))
        reduce = components([r.features for r in recordings]) if not features.normalised else lambda x: x
        recordings = [replace(r, features=reduce(r.features), silence=reduce(r.silence[None])[0]) for r in recordings]
        sound = np.random.default_rng(0).normal(0, 0.05, 16_000 * 60).astype(np.float32)
        begin = process_time()
        features.extract(sound)
        speed = 60 / (process_time() - begin)
        found = unseen(recordings)
        print(
            f"| {spec} | {features.channels} | {found.opening_correlation:.3f} | {found.width_correlation:.3f} | "
            f"{found.mouth_error:.3f} | {speed:.0f} |",
            flush=True,
        )
        predict = learnt(recordings)
        for path, known in openings.items():
            known.append(opening(recordings[0], reduce(features.extract(levelled(load_audio(path)))), predict))
    for path, (*others, last) in openings.items():
        agree = ", ".join(
            f"{spec} {correlation(one, last):.2f}" for spec, one in zip(config.features, others, strict=False)
        )
        print(f"{path.stem}: {agree}")


def components(features: list[Tensor]) -> Callable[[Tensor], Tensor]:
    """Whitens an encoder's channels [T, C] by what they are in these; prosody stays as it is."""
    heard = torch.cat(features)[:, :-PROSODY].double()
    mean, deviation = heard.mean(dim=0), heard.std(dim=0).clamp(min=1e-3)
    heard = (heard - mean) / deviation
    variances, axes = torch.linalg.eigh(heard.T @ heard / len(heard))
    axes = axes[:, -COMPONENTS:] / variances[-COMPONENTS:].sqrt()

    def reduce(found: Tensor) -> Tensor:
        encoded, prosody = found[:, :-PROSODY], found[:, -PROSODY:]
        return torch.cat([(((encoded.double() - mean) / deviation) @ axes).float(), prosody], dim=1)

    return reduce


def learnt(recordings: list[Recording]) -> Predictor:
    """The regression on all of them."""
    return ridge(recordings, float(np.median([r.face.scale for r in recordings])), PENALTY)


def unseen(recordings: list[Recording]) -> Measures:
    """Mean figures over the recordings, each by a regression that never heard its speaker."""
    folds, rows = fold_of(recordings), []
    for fold in range(5):
        predict = learnt([r for r in recordings if folds[r.face.person] != fold])
        for r in recordings:
            if folds[r.face.person] == fold:
                rows.append((measure(r, predict(r)), int(r.valid.sum())))
    return average(*zip(*rows, strict=True))


def opening(like: Recording, features: Tensor, predict: Predictor) -> np.ndarray:
    """The mouth's opening [T] that a regression makes of speech."""
    frames = len(features) // 4 * 2
    still = torch.zeros(frames, 68, 3)
    speech = replace(like, features=features[: 2 * frames], offsets=still, valid=torch.ones(frames, dtype=torch.bool))
    return mouth_opening(like.face.mean + predict(speech))


if __name__ == "__main__":
    main(tyro.cli(Probe))
