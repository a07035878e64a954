"""What it costs to speak live: the same generators and speakers, with 0.1 s of look-ahead and with all of the speech.

    python benchmarks/live.py CORPUS --delays delays.csv --trained speech_to_motion --folds 0 1

Generators of `speech_to_motion.py`, on speakers that they never heard, likeliest motion, without post-processing but
for the amplitude. *Times real time* is that of the whole live chain as `audio-motion predict -` runs it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe
from speech_to_motion import Folds, load, split

from audio_motion.corpus.clip import on_one_clock
from audio_motion.data.corpus import load_corpus
from audio_motion.data.recording import Recording, align
from audio_motion.errors import InputError
from audio_motion.evaluation.measures import Measures, average, measure
from audio_motion.evaluation.predictors import speak
from audio_motion.features.interface import DEFAULT, open_features
from audio_motion.features.level import levelled
from audio_motion.live import live
from audio_motion.models.checkpoint import TrainedGenerator, load_generator, load_syncnet
from audio_motion.models.generator import STRIDE
from audio_motion.models.moment import HEARD, LOOK_AHEAD, SHOWN, WINDOW, hear
from audio_motion.postprocess import part_lips, scale_opening
from audio_motion.predict import Generator

AT_ONCE = 64


@dataclass
class Live:
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
    every: int = 1
    """Measure every so many-th recording only."""


def main(config: Live) -> None:
    print(describe())
    torch.set_num_threads(1)
    recordings = load(Folds(config.corpus, config.delays, config.features))
    rows: dict[str, list[Measures]] = {"all of the speech": [], f"{LOOK_AHEAD:g} s of look-ahead": []}
    frames = []
    for number in config.folds:
        generator, expert = (config.trained / f"fold {number} {name}.safetensors" for name in ("generator", "expert"))
        trained = load_generator(generator, features=config.features)
        judge = load_syncnet(expert, features=config.features).model
        chosen = split(recordings, number).test[:: config.every]
        sounds = dict(heard(config, {r.face.person for r in chosen}))
        for r in chosen:
            made = (speak(trained, 0.0)(r), offsets(trained, r, sounds[r.identity]))
            for figures, motion in zip(rows.values(), made, strict=True):
                figures.append(measure(r, motion, judge))
            frames.append(int(r.valid.sum()))
    print("| heard | opening | width | amplitude | mouth error | jitter | sync | offset s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, figures in rows.items():
        m = average(figures, frames)
        print(
            f"| {name} | {m.opening_correlation:.3f} | {m.width_correlation:.3f} | {m.opening_amplitude:.3f} | "
            f"{m.mouth_error:.3f} | {m.jitter:.3f} | {m.sync_accuracy:.3f} | {m.sync_offset:.3f} |"
        )
    speech = next(iter(sounds.values()))[: 20 * 16_000]
    begin = process_time()
    made = sum(len(chunk.landmarks) for chunk in live(Generator(trained), np.array_split(speech, len(speech) // 640)))
    print(f"{made / 25 / (process_time() - begin):.1f} times real time")


def heard(config: Live, people: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Identity and levelled sound of these people's recordings, as `speech_to_motion.load` takes them."""
    late, features = {}, open_features(config.features)
    if config.delays:
        with config.delays.open(newline="") as file:
            late = {row["file"]: float(row["late"]) for row in csv.DictReader(file)}
    for clip in load_corpus(config.corpus):
        if clip.sequence.person in people:
            try:
                sequence, samples, _ = on_one_clock(clip.sequence, clip.samples, late.get(clip.name, 0.0))
                yield align(sequence, samples, features, clip.name).identity, levelled(samples)
            except InputError as error:
                print(f"left out: {error}")


@torch.no_grad()
def offsets(trained: TrainedGenerator, recording: Recording, sound: np.ndarray) -> np.ndarray:
    """Motion [T, 68, 3] of which every frame was made when it was due."""
    count = len(recording.offsets)
    known = np.concatenate([np.zeros(HEARD, np.float32), sound, np.zeros(HEARD, np.float32)])
    nows = (np.arange(count) * 640 + round(LOOK_AHEAD * 16_000)).tolist()
    made = []
    for first in range(0, count, AT_ONCE):
        moments = [hear(trained.features, known[now : now + HEARD]) for now in nows[first : first + AT_ONCE]]
        noise = torch.zeros(len(moments), trained.model.config.latent, WINDOW // STRIDE)
        made.append(trained.model.sample(torch.stack(moments).transpose(1, 2), noise)[..., SHOWN])
    motion = scale_opening(torch.cat(made).reshape(-1, 68, 3).numpy(), trained.amplitude)
    points = motion * np.float32(trained.face.scale)
    return part_lips(points + recording.face.mean) - recording.face.mean


if __name__ == "__main__":
    main(tyro.cli(Live))
