"""The package's generator with and without a post-net fitted to a capture, and a generator fitted to the capture alone:
on the part of the capture that was kept for test, and on speech of others, which has no true motion.

    python benchmarks/postnet.py CAPTURE … --speech SOUND …
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe

from audio_motion.data.recording import Recording
from audio_motion.data.sources import load_recordings
from audio_motion.evaluation.measures import measure
from audio_motion.features.level import levelled
from audio_motion.media import load_audio
from audio_motion.models.checkpoint import TrainedSyncExpert, load_generator, load_postnet, load_syncnet
from audio_motion.models.generator import FEATURES_PER_MOTION
from audio_motion.models.pretrained import PRETRAINED_EXPERT, PRETRAINED_GENERATOR
from audio_motion.predict import Generator
from audio_motion.sync import REACH, lag_scores, sync_accuracy
from audio_motion.training.distance import MotionSpace, coordinates, frechet_distance, motion_space
from audio_motion.training.generator import train_generator
from audio_motion.training.postnet import train_postnet


@dataclass
class Captures:
    """Whom to fit to."""

    captures: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Capture directories of `geneface process`."""
    speech: tuple[Path, ...] = ()
    """Sounds of other speakers: how far is what the person makes of them from how the person moves?"""


def elsewhere(
    voice: Generator, sounds: Sequence[Path], space: MotionSpace, own: np.ndarray, expert: TrainedSyncExpert
) -> tuple[float, float, float]:
    """Motion for sounds of others: its distance from the person's own coordinates, the expert's accuracy, and its mean
    cosine."""
    made, right, count, cosines = [], 0.0, 0, []
    for sound in sounds:
        offsets = voice.predict(sound).landmarks - voice.face.mean
        heard = expert.features.extract(levelled(load_audio(sound)))
        frames = min(len(offsets), len(heard) // FEATURES_PER_MOTION)
        spoken = Recording(
            face=voice.face,
            features=heard[: FEATURES_PER_MOTION * frames],
            offsets=torch.from_numpy(offsets[:frames]),
            valid=torch.ones(frames, dtype=torch.bool),
            silence=expert.features.silence,
            identity=str(sound),
        )
        scores = lag_scores(expert.model, spoken)
        share, decisions = sync_accuracy(scores)
        right, count = right + share * decisions, count + decisions
        cosines.append(scores[0, REACH])
        made.append(coordinates(space, offsets, np.ones(len(offsets), bool)))
    distance = frechet_distance(np.concatenate(made), own)
    return distance, right / max(1, count), float(torch.cat(cosines).nanmean())


def places(offsets: np.ndarray, test: Recording, space: MotionSpace, own: np.ndarray) -> np.ndarray:
    """Coordinates of the test part's frames about the mean of the person's own: a posture lasts longer than that part,
    so only how the motion varies counts, not where its mean lies."""
    found = coordinates(space, offsets, test.valid.numpy())
    return found + own.mean(axis=0) - found.mean(axis=0)


def floor(own: np.ndarray, frames: int) -> float:
    """Mean distance of the person's own pieces of so many frames, each moved to the others' mean, from one another."""
    pieces = [own[start : start + frames] for start in range(0, len(own) - frames + 1, frames)]
    pieces = [piece - piece.mean(axis=0) for piece in pieces]
    pairs = [frechet_distance(a, b) for i, a in enumerate(pieces) for b in pieces[i + 1 :]]
    return float(np.mean(pairs)) if pairs else float("nan")


def main(config: Captures) -> None:
    print(describe())
    expert = load_syncnet(PRETRAINED_EXPERT)
    print("| capture | voice | s | distance | opening | width | amplitude | error | sync | others: distance | sync |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for capture in config.captures:
        (known,), (test,) = (load_recordings(capture, expert.features, split) for split in ("train", "held-out"))
        space = motion_space(known.offsets.numpy(), known.valid.numpy())
        own = coordinates(space, known.offsets.numpy(), known.valid.numpy())
        true = places(test.offsets.numpy(), test, space, own)
        with tempfile.TemporaryDirectory() as temporary:
            alone, post = Path(temporary) / "own.safetensors", Path(temporary) / "post.safetensors"
            begin = perf_counter()
            train_postnet([capture], [], PRETRAINED_GENERATOR, PRETRAINED_EXPERT, post)
            fitted = perf_counter()
            train_generator([capture], alone)
            done = perf_counter()
            voices = {
                "the package's generator": (Generator(load_generator(PRETRAINED_GENERATOR)), 0.0),
                "with a post-net": (
                    Generator(load_generator(PRETRAINED_GENERATOR), refiner=load_postnet(post)),
                    fitted - begin,
                ),
                "the person's own generator": (Generator(load_generator(alone)), done - fitted),
            }
        for name, (voice, seconds) in voices.items():
            made = voice.predict(capture / "audio.wav").landmarks[: len(test.offsets)] - voice.face.mean
            figures = asdict(measure(test, made, expert.model))
            shown = ("opening_correlation", "width_correlation", "opening_amplitude", "mouth_error", "sync_accuracy")
            row = " | ".join(f"{figures[key]:.3f}" for key in shown)
            row = f"{frechet_distance(places(made, test, space, own), true):.3f} | {row}"
            if config.speech:
                distance, accuracy, cosine = elsewhere(voice, config.speech, space, own, expert)
                row += f" | {distance:.3f} | {accuracy:.3f} ({cosine:.3f})"
            print(f"| {capture.name} | {name} | {seconds:.0f} | {row} |", flush=True)
        print(f"{capture.name}: the person's own pieces of {len(true)} frames are {floor(own, len(true)):.3f} apart")


if __name__ == "__main__":
    main(tyro.cli(Captures))
