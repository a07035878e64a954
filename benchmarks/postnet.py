"""The package's generator with and without a post-net fitted to a capture, and a generator fitted to the capture alone,
on the part of the capture that was kept for test.

python benchmarks/postnet.py CAPTURE …
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe

from audio_motion.audio import load_audio
from audio_motion.evaluation.measures import measure
from audio_motion.models.checkpoint import load_generator, load_postnet, load_syncnet
from audio_motion.models.own import OWN_EXPERT, OWN_GENERATOR
from audio_motion.predict import Generator
from audio_motion.sequence import LandmarkSequence
from audio_motion.training.distance import coordinates, frechet_distance, motion_space
from audio_motion.training.generator import train_generator
from audio_motion.training.postnet import train_postnet
from audio_motion.training.recordings import Recording, align, load_recordings


@dataclass
class Captures:
    """Whom to fit to."""

    captures: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Capture directories of `geneface process`."""


def test_part(capture: Path, known: Recording) -> Recording:
    """The whole capture with only its test frames valid, about the mean face of what may be known."""
    features = load_syncnet(OWN_EXPERT).features
    whole = align(LandmarkSequence.load(capture / "landmarks.npz"), load_audio(capture / "audio.wav"), features)
    offsets = whole.offsets + torch.from_numpy(whole.face.mean - known.face.mean)
    test = torch.arange(len(offsets)) >= len(known.offsets)
    return replace(whole, offsets=offsets, valid=whole.valid & test, face=known.face)


def main(config: Captures) -> None:
    print(describe())
    expert = load_syncnet(OWN_EXPERT)
    print("| capture | voice | s | distance | opening | width | amplitude | mouth error | sync accuracy |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for capture in config.captures:
        known = load_recordings(capture, expert.features)[0]
        test = test_part(capture, known)
        space = motion_space(known.offsets.numpy(), known.valid.numpy())
        mean = coordinates(space, known.offsets.numpy(), known.valid.numpy()).mean(axis=0)

        def places(offsets: np.ndarray, test: Recording = test, space=space, mean=mean) -> np.ndarray:
            """A posture lasts longer than the test part: only how the motion varies counts, not where its mean lies."""
            found = coordinates(space, offsets, test.valid.numpy())
            return found + mean - found.mean(axis=0)

        true = places(test.offsets.numpy())
        with tempfile.TemporaryDirectory() as temporary:
            own, post = Path(temporary) / "own.safetensors", Path(temporary) / "post.safetensors"
            begin = perf_counter()
            train_postnet([capture], [], OWN_GENERATOR, OWN_EXPERT, post)
            fitted = perf_counter()
            train_generator([capture], own)
            done = perf_counter()
            voices = {
                "the package's generator": (Generator(load_generator(OWN_GENERATOR)), 0.0),
                "with a post-net": (
                    Generator(load_generator(OWN_GENERATOR), refiner=load_postnet(post)),
                    fitted - begin,
                ),
                "the person's own generator": (Generator(load_generator(own)), done - fitted),
            }
        for name, (voice, seconds) in voices.items():
            made = voice.predict(capture / "audio.wav").landmarks[: len(test.offsets)] - voice.face.mean
            figures = asdict(measure(test, made, expert.model))
            shown = ("opening_correlation", "width_correlation", "opening_amplitude", "mouth_error", "sync_accuracy")
            row = " | ".join(f"{figures[key]:.3f}" for key in shown)
            distance = frechet_distance(places(made), true)
            print(f"| {capture.name} | {name} | {seconds:.0f} | {distance:.3f} | {row} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Captures))
