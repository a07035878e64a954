"""Fixtures shared by the tests of audio_motion."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_motion.models.checkpoint import TrainedGenerator, load_generator, save_generator
from audio_motion.training.generator import GeneratorTraining, fit_generator
from audio_motion.training.speakers import align
from tests.audio_motion.synthetic_speech import talk

QUICK = GeneratorTraining(steps=120, batch=8, crop=48, warm_up=10, rate=4e-3, validate_every=40)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator trained for a few seconds on 40 s of the synthetic talker."""
    sound, motion = talk(40.0)
    path = tmp_path_factory.mktemp("generator") / "generator.safetensors"
    save_generator(path, fit_generator([align(motion, sound)], QUICK))
    return path


@pytest.fixture
def trained(checkpoint: Path) -> TrainedGenerator:
    return load_generator(checkpoint)
