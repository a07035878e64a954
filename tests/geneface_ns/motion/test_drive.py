"""Driving: whose motion reaches the model, at which pose, and that nothing is taken ahead of time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.motion.sequence import MotionFrame, motion_of_sequence
from geneface_ns.motion.trajectory import own_trajectory
from geneface_ns.output.drive import drive
from tests.geneface_ns.fakes import FakeRenderer, make_capture


def sequence(landmarks: np.ndarray, space: str, person: str, fps: float = 25.0) -> LandmarkSequence:
    return LandmarkSequence(
        landmarks=landmarks.astype(np.float32),
        fps=fps,
        eye_openness=np.full((len(landmarks), 2), 0.3, np.float32),
        valid=np.array([True] * (len(landmarks) - 1) + [False]),
        person=person,
        producer=Producer("avatar", "made up"),
        space=space,  # type: ignore[arg-type]
    )


def test_frames_follow_motion_and_trajectory(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    offsets = np.zeros((100, 68, 3))
    offsets[:, 62, 1] = -TEMPLATE[62, 1] + 0.2
    motion = motion_of_sequence(sequence(offsets, "offset", "bert"), capture)
    model = FakeRenderer()
    frames = list(drive(model, own_trajectory(capture), motion, 25.0, (16, 8)))
    assert len(frames) == 100
    assert frames[0].shape == (8, 16, 3)
    assert (frames[20][..., 0] == 20).all()  # body x is the frame's number
    assert (frames[58][..., 0] == 20).all()  # 40 training frames: back again after 2 * 39 - 20
    assert (frames[7][..., 1] == 51).all()  # 0.2 of 255


def test_begun_in_the_middle_it_shows_the_same(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    offsets = np.zeros((50, 68, 3))
    offsets[:, 62, 1] = np.linspace(0, 0.2, 50)

    def frames(first: int) -> np.ndarray:
        motion = motion_of_sequence(sequence(offsets, "offset", "bert"), capture)
        return np.stack(list(drive(FakeRenderer(), own_trajectory(capture), motion, 25.0, (16, 8), first)))

    np.testing.assert_array_equal(frames(30), frames(0)[30:])


def test_another_frame_rate_keeps_time(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    motion = motion_of_sequence(sequence(np.zeros((60, 68, 3)), "offset", "bert", fps=30.0), capture)
    assert len(list(motion)) == 50  # two seconds
    for wanted in (45, 55):  # cut, held
        held = motion_of_sequence(sequence(np.zeros((50, 68, 3)), "offset", "bert"), capture, frames=wanted)
        assert len(list(held)) == wanted


def test_motion_is_taken_one_frame_at_a_time(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    taken = 0

    def endless() -> Iterator[MotionFrame]:
        nonlocal taken
        while True:
            taken += 1
            yield MotionFrame(TEMPLATE, np.full(2, 0.3, np.float32))

    frames = drive(FakeRenderer(), own_trajectory(capture), endless(), 25.0, (4, 4))
    for _ in range(5):
        next(frames)
    assert taken == 5
    with pytest.raises(StopIteration):
        next(drive(FakeRenderer(), own_trajectory(capture), iter(()), 25.0, (4, 4)))
