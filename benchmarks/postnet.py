"""The package's generator with and without a post-net fitted to a capture, moved by a linear map instead, and a
generator fitted to the capture alone: on the part of the capture that was kept for test, and on speech of others, which
has no true motion.

    python benchmarks/postnet.py CAPTURE … --speech SOUND … --seeds 0 1 2

The linear map is the Gaussian optimal transport from what the generator makes of the person's own speech to how the
person moves, over the distance's own principal components (Dowson and Landau, 1982): no training at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
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
from audio_motion.models.face_statistics import FaceStatistics
from audio_motion.models.generator import FEATURES_PER_MOTION
from audio_motion.models.pretrained import PRETRAINED_EXPERT, PRETRAINED_GENERATOR
from audio_motion.predict import Generator
from audio_motion.sync import REACH, lag_scores, sync_accuracy
from audio_motion.topology import JAW, MOUTH
from audio_motion.training.distance import COMPONENTS, MotionSpace, coordinates, frechet_distance, motion_space
from audio_motion.training.generator import GeneratorTraining, train_generator
from audio_motion.training.postnet import PostNetTraining, train_postnet


@dataclass
class Captures:
    """Whom to fit to."""

    captures: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Capture directories of `geneface process`."""
    speech: tuple[Path, ...] = ()
    """Sounds of other speakers: how far is what the person makes of them from how the person moves?"""
    seeds: tuple[int, ...] = (0,)
    """One training of each that is trained for every seed."""


Speaks = Callable[[Path], np.ndarray]
"""A sound to offsets [T, 68, 3] from the mean face."""


def speaker(voice: Generator) -> Speaks:
    """A voice's motion."""
    return lambda sound: voice.predict(sound).landmarks - voice.face.mean


def linear_map(speak: Speaks, sound: Path, known: Recording) -> Speaks:
    """A voice's motion, transported linearly to how the person moves.

    Args:
        sound: of the whole capture, which begins with the part that is known.
    """
    valid = known.valid.numpy()
    true, made = (_part(x)[valid] for x in (known.offsets.numpy(), speak(sound)[: len(valid)]))
    basis = np.linalg.svd(true - true.mean(axis=0), full_matrices=False)[2][:COMPONENTS].T
    first, second = (np.cov(((x - x.mean(axis=0)) @ basis).T) for x in (made, true))
    root = symmetric_power(first, 0.5)
    back = symmetric_power(first, -0.5)
    change = basis @ (back @ symmetric_power(root @ second @ root, 0.5) @ back - np.eye(COMPONENTS)) @ basis.T
    shift = true.mean(axis=0) - made.mean(axis=0)

    def mapped(other: Path) -> np.ndarray:
        offsets = speak(other).copy()
        part = _part(offsets)
        moved = part + (part - made.mean(axis=0)) @ change + basis @ (basis.T @ shift)
        offsets[:, JAW], offsets[:, MOUTH] = np.split(moved.reshape(len(part), -1, 3), [17], axis=1)
        return offsets

    return mapped


def _part(offsets: np.ndarray) -> np.ndarray:
    """Jaw and mouth of [T, 68, 3]: float64 [T, 111]."""
    return np.concatenate([offsets[:, JAW], offsets[:, MOUTH]], axis=1).reshape(len(offsets), -1).astype(np.float64)


def symmetric_power(matrix: np.ndarray, power: float) -> np.ndarray:
    """Of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 1e-12) ** power) @ vectors.T


def elsewhere(
    speak: Speaks,
    face: FaceStatistics,
    sounds: Sequence[Path],
    space: MotionSpace,
    own: np.ndarray,
    expert: TrainedSyncExpert,
) -> tuple[float, float, float]:
    """Motion for sounds of others: its distance from the person's own coordinates, the expert's accuracy, and its mean
    cosine."""
    made, right, count, cosines = [], 0.0, 0, []
    for sound in sounds:
        offsets = speak(sound)
        heard = expert.features.extract(levelled(load_audio(sound)))
        frames = min(len(offsets), len(heard) // FEATURES_PER_MOTION)
        spoken = Recording(
            face=face,
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


def voices(
    capture: Path, known: Recording, seeds: Sequence[int]
) -> Iterator[tuple[str, Speaks, FaceStatistics, float]]:
    """What is compared: name, how it speaks, whose face it moves, and the seconds that fitting it took."""
    package = Generator(load_generator(PRETRAINED_GENERATOR))
    yield "the package's generator", speaker(package), package.face, 0.0
    begin = perf_counter()
    mapped = linear_map(speaker(package), capture / "audio.wav", known)
    yield "with a linear map", mapped, known.face, perf_counter() - begin
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.safetensors"
        for seed in seeds:
            begin = perf_counter()
            fit = PostNetTraining()
            fit = replace(fit, loop=replace(fit.loop, seed=seed))
            train_postnet([capture], [], PRETRAINED_GENERATOR, PRETRAINED_EXPERT, path, fit)
            seconds = perf_counter() - begin
            voice = Generator(load_generator(PRETRAINED_GENERATOR), refiner=load_postnet(path))
            yield f"with a post-net, seed {seed}", speaker(voice), voice.face, seconds
            path.unlink()
        for seed in seeds:
            begin = perf_counter()
            own = GeneratorTraining()
            train_generator([capture], path, replace(own, loop=replace(own.loop, seed=seed)))
            seconds = perf_counter() - begin
            voice = Generator(load_generator(path))
            yield f"the person's own generator, seed {seed}", speaker(voice), voice.face, seconds
            path.unlink()


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
        for name, speak, face, seconds in voices(capture, known, config.seeds):
            made = speak(capture / "audio.wav")[: len(test.offsets)]
            figures = asdict(measure(test, made, expert.model))
            shown = ("opening_correlation", "width_correlation", "opening_amplitude", "mouth_error", "sync_accuracy")
            row = " | ".join(f"{figures[key]:.3f}" for key in shown)
            row = f"{frechet_distance(places(made, test, space, own), true):.3f} | {row}"
            if config.speech:
                distance, accuracy, cosine = elsewhere(speak, face, config.speech, space, own, expert)
                row += f" | {distance:.3f} | {accuracy:.3f} ({cosine:.3f})"
            print(f"| {capture.name} | {name} | {seconds:.0f} | {row} |", flush=True)
        print(f"{capture.name}: the person's own pieces of {len(true)} frames are {floor(own, len(true)):.3f} apart")


if __name__ == "__main__":
    main(tyro.cli(Captures))
