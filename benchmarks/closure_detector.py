"""The classifier that hears shut lips (`audio_motion/models/closure.py`), made again from synthetic voices.

    apt-get install flite espeak-ng
    python benchmarks/closure_detector.py TEXT --output audio_motion/weights/closure.safetensors

Three of flite's voices and espeak-ng's English read the first sentences of an English text, its German, French and
Spanish a few of ours. The lips are shut over the first three quarters of a /p b m/; its last quarter and what lies just
beside it are not looked at. `closure.py` measures it on voices and a language that are not among these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch.nn.functional import binary_cross_entropy_with_logits
from voices import FLITE, FOREIGN, Spoken, speak

from audio_motion.features.interface import DEFAULT, open_features
from audio_motion.features.level import levelled
from audio_motion.models.closure import PACKAGED, REACH, ClosureDetector, heard_around, save_closure
from audio_motion.models.generator import MOTION_RATE

UNHEARD = ("awb", "it")
"""Kept for measuring."""
SHUT = 0.75
"""Part of a bilabial over which the lips are shut."""
PENALTY = 0.03
RARE = 3.0
"""Weight of a frame with shut lips: they are few."""


@dataclass
class Detector:
    """What is read aloud, and where to."""

    text: Annotated[Path, tyro.conf.Positional]
    """Any English text, such as Debian's /usr/share/common-licenses/GPL-3."""
    sentences: int = 60
    """Read by flite; espeak-ng reads the first ten."""
    output: Path = PACKAGED


def main(config: Detector) -> None:
    features = open_features(DEFAULT)
    words = re.sub(r"\s+", " ", re.sub(r"[^A-Za-z,.;' \n-]", " ", config.text.read_text()))
    lines = [line.strip() for line in words.split(".") if 40 < len(line.strip()) < 220][: config.sentences]
    readers = cycle(voice for voice in FLITE if voice not in UNHEARD)
    jobs = [(voice, line) for line, voice in zip(lines, readers, strict=False)]
    jobs += [("en-us", line) for line in lines[:10]]
    jobs += [(language, line) for language, said in FOREIGN.items() if language not in UNHEARD for line in said]
    heard, shut = [], []
    for spoken in list(speak(jobs)):
        found = features.extract(levelled(spoken.sound))
        truth, known = labels(spoken, len(found) // 2)
        heard.append(heard_around(found[: 2 * len(truth)])[known])
        shut.append(torch.from_numpy(truth[known]).float())
    inputs, wanted = torch.cat(heard), torch.cat(shut)
    print(f"{len(jobs)} sentences, {len(wanted) / MOTION_RATE / 60:.1f} minutes, lips shut in {wanted.mean():.1%}")
    save_closure(config.output, fit(inputs, wanted), features)


def labels(spoken: Spoken, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Bool [T] each: where the lips are shut, and where that is known."""
    times = np.arange(frames) / MOTION_RATE
    truth, beside = np.zeros(frames, bool), np.zeros(frames, bool)
    for start, end in spoken.bilabials:
        truth |= (times >= start - 0.01) & (times <= start + SHUT * (end - start))
        beside |= (times > start - 0.06) & (times < end + 0.05)
    return truth, truth | ~beside


def fit(inputs: torch.Tensor, wanted: torch.Tensor) -> ClosureDetector:
    """Logistic regression with a penalty on the weights of standardised inputs."""
    mean, deviation = inputs.mean(dim=0), inputs.std(dim=0).clamp(min=1e-3)
    standard = (inputs - mean) / deviation
    weights, bias = torch.zeros(inputs.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        wrong = binary_cross_entropy_with_logits(standard @ weights + bias, wanted, pos_weight=torch.tensor(RARE))
        total = wrong + PENALTY * weights.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    scaled = (weights / deviation).detach()
    return ClosureDetector(scaled.unflatten(0, (-1, 2 * REACH)), float((bias - scaled @ mean).detach()))


if __name__ == "__main__":
    main(tyro.cli(Detector))
