"""Is generated motion as lively as people's? On speakers that the generators never heard, beside simple baselines.

    python benchmarks/naturalness.py CORPUS --delays delays.csv --trained speech_to_motion --folds 0 1

Of the generators that `speech_to_motion.py` has trained; the columns are explained in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe
from speech_to_motion import Folds, fold_of, load, split

from audio_motion.data.recording import Recording
from audio_motion.evaluation.natural import FILMED, Seeded, natural
from audio_motion.evaluation.predictors import Predictor, chain, mean_face, ridge, speak
from audio_motion.features.interface import DEFAULT
from audio_motion.models.checkpoint import load_generator
from audio_motion.models.pretrained import PRETRAINED_GENERATOR

COLUMNS = ("lip_dynamics", "brow_dynamics", "silent_lips", "lip_sync", "expression_variance", "seeds")


@dataclass
class NaturalnessBenchmark:
    """What was trained, and on what."""

    corpus: Annotated[Path, tyro.conf.Positional]
    """Of `audio-motion corpus`."""
    delays: Path | None = None
    """As in `speech_to_motion.py`."""
    features: str = DEFAULT
    """Speech features of the generators."""
    trained: Path = Path("speech_to_motion")
    """Folder that `speech_to_motion.py` has written."""
    folds: tuple[int, ...] = (0, 1)


def main(config: NaturalnessBenchmark) -> None:
    print(describe())
    torch.set_num_threads(1)
    recordings = load(Folds(config.corpus, config.delays, config.features))
    fold_of_person = fold_of(recordings)
    folds = {number: split(recordings, number) for number in config.folds}

    def own(predictors: dict[int, Predictor]) -> Predictor:
        """The one of the fold in which a recording's speaker is not heard."""
        return lambda recording: predictors[fold_of_person[recording.face.person]](recording)

    def scale(heard: Sequence[Recording]) -> float:
        return float(np.median([r.face.scale for r in heard]))

    trained = {
        number: load_generator(config.trained / f"fold {number} generator.safetensors", features=config.features)
        for number in folds
    }
    simple = {
        "mean face": mean_face(),
        "ridge regression": own({n: ridge(f.trained, scale(f.trained)) for n, f in folds.items()}),
    }
    seeded: dict[str, Seeded] = {
        "generator": lambda seed: own({n: speak(t, seed=seed) for n, t in trained.items()}),
        "generator, as used": lambda seed: own({n: chain(t, seed=seed) for n, t in trained.items()}),
    }
    shipped = load_generator(PRETRAINED_GENERATOR)
    if shipped.features.name == next(iter(trained.values())).features.name:
        seeded["the package's, which has heard them, as used"] = lambda seed: chain(shipped, seed=seed)
    tests = [r for fold in folds.values() for r in fold.test]
    rows = natural(tests, simple, seeded)
    seconds = sum(int(r.valid.sum()) for r in tests) / 25
    print(f"{len(tests)} recordings of {len({r.face.person for r in tests})} speakers, {seconds / 60:.1f} minutes")
    print(f"| | {' | '.join(COLUMNS)} |")
    print("| --- " * (len(COLUMNS) + 1) + "|")
    for name, row in rows.items():
        style = ".4f" if name == FILMED else ".3f"
        print(f"| {name} | {' | '.join(format(row.get(key, float('nan')), style) for key in COLUMNS)} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(NaturalnessBenchmark))
