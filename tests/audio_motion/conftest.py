"""Fixtures shared by the tests of audio_motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio_motion.data.recording import align, hold_out_tail
from audio_motion.features.acoustic import MEL
from audio_motion.models.checkpoint import TrainedGenerator, load_generator, save_generator
from audio_motion.sequence import LandmarkSequence
from audio_motion.training.generator import GeneratorTraining, fit_generator
from audio_motion.training.loop import LoopConfig
from tests.audio_motion.synthetic_speech import talk

QUICK = GeneratorTraining(
    loop=LoopConfig(steps=120, batch_size=16, learning_rate=4e-3, warm_up=10, validate_every=40), crop=48
)


def fit(motion: LandmarkSequence, sound: np.ndarray, config: GeneratorTraining) -> TrainedGenerator:
    """Train on one talker."""
    early, late = hold_out_tail(align(motion, sound, MEL))
    return fit_generator([early], [late], MEL, config)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator trained for a few seconds on 40 s of the synthetic talker."""
    sound, motion = talk(40.0)
    path = tmp_path_factory.mktemp("generator") / "generator.safetensors"
    save_generator(path, fit(motion, sound, QUICK))
    return path


@pytest.fixture
def trained(checkpoint: Path) -> TrainedGenerator:
    return load_generator(checkpoint)
