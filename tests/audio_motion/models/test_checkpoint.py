"""A checkpoint whose checksums are right, but that is none of ours, is told when it is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.models.checkpoint import GENERATOR_SCHEMA, TrainedGenerator, load_generator, save_generator
from audio_motion.models.face_statistics import measure_face
from audio_motion.models.generator import GeneratorConfig, MotionGenerator
from audio_motion.models.store import save_model
from tests.audio_motion.synthetic_speech import talk


@pytest.mark.parametrize(
    "spoilt",
    [
        {"face.rest": (0, 3)},
        {"face.eyes": ()},
        {"face.examples": (5, 20)},
        {"spread": 0.0},
        {"spread": "1"},
        {"amplitude": 1e30},
        {"amplitude": None},
        {"person": 3},
        {"training": []},
    ],
    ids=str,
)
def test_senseless_contents_are_named(tmp_path: Path, spoilt: dict) -> None:
    path = tmp_path / "generator.safetensors"
    motion = talk(2.0)[1]
    face = measure_face("talker", motion.landmarks, motion.eye_openness)
    model = MotionGenerator(GeneratorConfig(hidden=8, condition=4, latent=4, flow_hidden=4))
    save_generator(path, TrainedGenerator(model, face, 1.0, {}, MEL, ""))
    assert np.array_equal(load_generator(path).face.rest, face.rest)
    with safe_open(path, "pt") as file:
        info = json.loads(file.metadata()["info"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    ((name, value),) = spoilt.items()
    if name in tensors:
        tensors[name] = tensors[name].new_zeros(value)
    else:
        info[name] = value
    save_model(path, "generator", GENERATOR_SCHEMA, MEL, info, tensors)
    with pytest.raises(InputError, match=rf"generator\.safetensors: not a whole .*{name} is "):
        load_generator(path)
