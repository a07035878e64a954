"""Does a seed give another performance of the same speech? On speakers that the generators never heard.

    python benchmarks/variety.py CORPUS --delays delays.csv --trained speech_to_motion --folds 0 1

Of the generators that `speech_to_motion.py` has trained. *Spread* is the deviation across seeds over the deviation in
time, of the opening and of the width; *moving*, the opening's without every seed's own mean. Figures are frame-weighted
means over recordings, of one seed and of the mean motion of all seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe
from speech_to_motion import Folds, load, split

from audio_motion.evaluation.measures import across_seeds, average, measure
from audio_motion.evaluation.predictors import speak
from audio_motion.features.interface import DEFAULT
from audio_motion.models.checkpoint import load_generator
from audio_motion.topology import mouth_opening, mouth_width


@dataclass
class Variety:
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
    temperatures: tuple[float, ...] = (0.1, 0.5, 1.0, 1.5, 2.0)
    seeds: int = 4


def main(config: Variety) -> None:
    print(describe())
    torch.set_num_threads(1)
    recordings = load(Folds(config.corpus, config.delays, config.features))
    tests = [
        (load_generator(config.trained / f"fold {number} generator.safetensors", features=config.features), r)
        for number in config.folds
        for r in split(recordings, number).test
    ]
    frames = [int(r.valid.sum()) for _, r in tests]
    names = ["temperature", "spread, opening", "spread, width", "moving", "opening", "width", "amplitude"]
    names += ["mouth error", "jitter", "opening, mean of seeds", "width, mean of seeds"]
    print(f"| {' | '.join(names)} |")
    print("| --- " * len(names) + "|")
    for temperature in config.temperatures:
        spreads, ones, means = [], [], []
        for generator, r in tests:
            made = np.stack([speak(generator, temperature, seed=seed)(r) for seed in range(config.seeds)])
            faces = r.face.mean + made[:, r.valid.numpy()]
            series = (mouth_opening(faces), mouth_width(faces))
            series += (series[0] - series[0].mean(axis=1, keepdims=True),)
            spreads.append([across_seeds(x) for x in series])
            ones.append(measure(r, made[0]))
            means.append(measure(r, made.mean(axis=0)))
        opening, width, moving = np.average(spreads, axis=0, weights=frames)
        one, mean = average(ones, frames), average(means, frames)
        print(
            f"| {temperature:g} | {opening:.3f} | {width:.3f} | {moving:.3f} | {one.opening_correlation:.3f} | "
            f"{one.width_correlation:.3f} | {one.opening_amplitude:.3f} | {one.mouth_error:.3f} | {one.jitter:.3f} | "
            f"{mean.opening_correlation:.3f} | {mean.width_correlation:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(tyro.cli(Variety))
