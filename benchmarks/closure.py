"""Do the lips shut at /p b m/? Voices whose phonemes are known, through the whole chain as a user gets it.

    apt-get install flite espeak-ng
    python benchmarks/closure.py

A mouth counts as shut where it opens by no more than SHUT above the face's rest during the sound, or 0.04 s beside it;
*by chance*: the same of moments as long, half a second to one and a half away. flite's voice awb (a Scot) and Italian
are none of those that the closures were learnt from (`closure_detector.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from closure_detector import UNHEARD
from machine import describe
from voices import FLITE, FOREIGN, SENTENCES, Spoken, speak

from audio_motion.features.level import levelled
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.postprocess import PostProcess
from audio_motion.predict import Generator
from audio_motion.topology import mouth_opening

SHUT = 0.005
"""Face widths: 0.7 mm of a face of 14 cm."""
SLACK = 0.04
AWAY = (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)


@dataclass
class Closure:
    """Whose lips."""

    generator: Path = PRETRAINED_GENERATOR
    """Checkpoint."""


def main(config: Closure) -> None:
    print(describe())
    torch.set_num_threads(1)
    jobs = [(voice, line) for voice in ("awb", "slt") for line in SENTENCES]
    jobs += [(language, line) for language, said in FOREIGN.items() for line in said]
    spoken = list(speak(jobs))
    groups = {
        "flite's awb, never heard": [s for s in spoken if s.voice == "awb"],
        "Italian, never heard": [s for s in spoken if s.voice == "it"],
        "flite's slt": [s for s in spoken if s.voice in FLITE and s.voice not in UNHEARD],
        "German, French, Spanish": [s for s in spoken if s.voice not in FLITE and s.voice not in UNHEARD],
    }
    usual = PostProcess()
    ways = {"lips as generated": replace(usual, lips=False), "lips shut (default)": usual}
    print("| voice | sounds | " + " | ".join(ways) + " |")
    print("| --- | --- |" + " --- |" * len(ways))
    for name, group in groups.items():
        shares = []
        for post in ways.values():
            generator = Generator.load(config.generator, post=post)
            openings = [above_rest(generator, said.sound) for said in group]
            at = np.concatenate([shut(*pair, 0.0) for pair in zip(group, openings, strict=True)])
            chance = np.concatenate([shut(*pair, away) for pair in zip(group, openings, strict=True) for away in AWAY])
            shares.append(f"{at.mean():.1%} (by chance {chance.mean():.1%})")
        print(f"| {name} | {len(at)} | {' | '.join(shares)} |", flush=True)


def above_rest(generator: Generator, sound: np.ndarray) -> np.ndarray:
    """How far the mouth opens above the face's rest, [T] at 25 Hz."""
    face = generator.face
    landmarks = np.concatenate([chunk.landmarks for chunk in generator.stream([levelled(sound)])])
    return mouth_opening(landmarks) - mouth_opening(face.mean + face.rest)


def shut(spoken: Spoken, opening: np.ndarray, away: float) -> np.ndarray:
    """Whether the mouth [T] at 25 Hz shuts at each bilabial, or so many seconds away from it."""
    found = []
    for start, end in spoken.bilabials:
        first, last = int(np.floor((start + away - SLACK) * 25)), int(np.ceil((end + away + SLACK) * 25))
        during = opening[max(0, first) : max(0, last + 1)]
        if len(during) and last < len(opening):
            found.append(bool(during.min() <= SHUT))
    return np.array(found, bool)


if __name__ == "__main__":
    main(tyro.cli(Closure))
