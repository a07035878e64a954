"""The whole chain beside the filmed person, with a renderer that shows true pictures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.topology import mouth_opening
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.evaluation.as_used import (
    BY_LOUDNESS,
    FILMED,
    MEAN,
    OTHERS,
    RENDERED,
    USED,
    Performance,
    Stage,
    as_used,
    levels,
    loud_faces,
    measure,
)
from geneface_ns.evaluation.table import natural_table
from geneface_ns.motion.prosody import own_prosody
from geneface_ns.motion.voice import Voice
from geneface_ns.renderers.contract import Layers
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.synthetic.exact_capture import write_exact_capture
from tests.geneface_ns.fakes import FakeRenderer

SIZE = 96


class TruePictures(FakeRenderer):
    """Shows the picture of the video in which face and head are most like what is asked for."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self.camera, self.capture_size = Pinhole((SIZE, SIZE), (SIZE / 2, SIZE / 2), (SIZE, SIZE)), (SIZE, SIZE)
        self.pictures = [read_png(capture.layout.image(i)) for i in range(len(capture))]
        self.known = self.described(capture.landmarks.landmarks, capture.c2w)

    @staticmethod
    def described(landmarks: np.ndarray, c2w: np.ndarray) -> np.ndarray:
        return np.concatenate([10 * landmarks.reshape(len(landmarks), -1), c2w.reshape(len(c2w), -1)], axis=1)

    def render(
        self,
        condition: Condition,
        camera: Pinhole,
        c2w: torch.Tensor | None = None,
        underlay: torch.Tensor | None = None,
        wanted: torch.Tensor | None = None,
    ) -> Layers:
        asked = self.described(condition.landmarks.numpy(), condition.c2w.numpy())
        picture = torch.from_numpy(self.pictures[int(np.linalg.norm(self.known - asked, axis=1).argmin())]) / 255
        nothing = torch.zeros_like(picture[..., :1])
        return Layers(picture, torch.zeros_like(picture), nothing, nothing, None)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """22 s of the procedural person, of which two are unseen."""
    folder = tmp_path_factory.mktemp("people") / "anna"
    write_exact_capture(folder, size=SIZE, frames=275, fps=12.5)
    return load_capture(folder)


@pytest.fixture(scope="module")
def stage(capture: Capture) -> Stage:
    test = np.flatnonzero(~capture.is_train)
    return Stage(TruePictures(capture), capture, test, own_prosody(capture), (SIZE, SIZE))


def test_the_whole_table(stage: Stage, capture: Capture) -> None:
    voice = Voice(PRETRAINED_GENERATOR)
    phones = [["b", 1.0, 1.1], ["m", 3.0, 3.1], ["p", 900.0, 901.0]]  # the last is never shown
    capture.layout.audio.with_suffix(".json").write_text(json.dumps({"phones": phones}))
    rows = as_used(stage, voice, {"again.wav": capture.layout.audio}, seed=0, temperature=1.0)
    assert isinstance(rows, dict)
    assert list(rows) == [FILMED, OTHERS, RENDERED, USED, BY_LOUDNESS, "again.wav", MEAN]
    assert [len(frames) for frames in stage.others()] == [25] * 4
    assert not set(np.concatenate(stage.others())) & set(stage.test)
    assert rows[FILMED]["head_motion"] > 0
    for name, value in rows[RENDERED].items():  # true pictures of the true motion
        assert math.isnan(value) or value == pytest.approx(1.0, abs=1e-6), name
    assert rows[RENDERED]["lip_dynamics"] == pytest.approx(1.0)
    assert rows[OTHERS]["lip_dynamics"] < 1.0
    assert all(math.isfinite(rows[USED][name]) for name in ("lip_dynamics", "head_motion", "wobble", "seeds"))
    assert 0.0 < rows[USED]["seeds"] < 1.0
    assert rows[MEAN]["pose_variance"] == rows["again.wav"]["pose_variance"] > 0
    assert len(natural_table(rows).columns) == 1 + 6


def test_the_trivial_mouth_opens_with_the_sound_as_far_as_the_person(stage: Stage, capture: Capture) -> None:
    faces = list(loud_faces(capture, stage.own))
    assert len(faces) == len(stage.test)
    made = mouth_opening(np.stack([face.landmarks for face in faces]))
    amplitude = 10 ** (levels(stage.said) / 20)
    own = mouth_opening(capture.landmarks.landmarks[capture.is_train])
    assert np.corrcoef(made, amplitude)[0, 1] > 0.9  # where it is loud enough to open at all
    assert 0.2 * own.std() < made.std() < 2 * own.std()


def test_less_motion_and_more_wobble_are_seen(stage: Stage, capture: Capture) -> None:
    real = stage.filmed(stage.test, "")
    assert all(value == 1.0 for value in measure(real, real, capture.fps).values() if math.isfinite(value))
    mean = real.face.mean(axis=0)
    shaken = real.landmarks + np.random.default_rng(0).normal(0, 1.0, (len(real.landmarks), 1, 2))
    calm = Performance(shaken, np.repeat(real.c2w[:1], len(real.c2w), axis=0), (real.face + mean) / 2, real.prosody)
    found = measure(calm, real, capture.fps)
    assert found["head_motion"] == pytest.approx(0.0, abs=1e-6)
    assert found["pose_variance"] == pytest.approx(0.0, abs=1e-6)
    assert found["expression_variance"] == pytest.approx(0.25)
    assert found["wobble"] > 1.2
    assert found["lip_dynamics"] == pytest.approx(1.0)  # shaking does not change the shape of the lips


def test_too_little_that_is_unseen_is_a_sentence(stage: Stage, capture: Capture) -> None:
    few = Stage(stage.renderer, capture, stage.test[:12], stage.own, (SIZE, SIZE))
    found = as_used(few, Voice(Path("not looked at")), {}, 0, 1.0)
    assert isinstance(found, str)
    assert found.startswith("not measured: a face in 12 of 12 frames")
    hidden = Stage(stage.renderer, replace(capture, valid=capture.is_train), stage.test, stage.own, (SIZE, SIZE))
    assert "a face in 0 of 25" in str(as_used(hidden, Voice(Path("not looked at")), {}, 0, 1.0))
