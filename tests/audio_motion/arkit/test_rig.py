"""Landmarks to blendshapes and back, by the maps that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio_motion.arkit import load_motion, save_motion
from audio_motion.arkit.rig import OPEN, sequence_of, shapes_of, shipped_rig
from audio_motion.arkit.shapes import SHAPES
from audio_motion.cli import main
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import CHIN, INNER_LOWER_LIP, INNER_UPPER_LIP, MOUTH_CORNERS, OUTER_LOWER_LIP, TEMPLATE
from tests.audio_motion.synthetic_speech import talk, write_wav


def strength(shapes: np.ndarray, name: str) -> np.ndarray:
    return shapes[:, SHAPES.index(name)]


def opening_mouth(frames: int = 50) -> LandmarkSequence:
    """Jaw and lower lip go down and up, by a tenth of the face's width."""
    landmarks = np.tile(TEMPLATE, (frames, 1, 1))
    low = 0.05 - 0.05 * np.cos(np.linspace(0, 4 * np.pi, frames))
    for part in (CHIN, INNER_LOWER_LIP, OUTER_LOWER_LIP):
        landmarks[:, part, 1] -= low[:, None]
    eyes = np.full((frames, 2), OPEN, np.float32)
    return LandmarkSequence(landmarks, 25.0, eyes, np.ones(frames, bool), "a", Producer("tracker", "drawn"))


def test_an_open_mouth_is_an_open_jaw() -> None:
    motion = opening_mouth()
    jaw = strength(shapes_of(motion), "JawOpen")
    opening = motion.landmarks[:, INNER_UPPER_LIP, 1].mean(1) - motion.landmarks[:, INNER_LOWER_LIP, 1].mean(1)
    assert np.corrcoef(jaw, opening)[0, 1] > 0.95
    assert jaw.max() > 0.15
    assert jaw.min() < 0.02


def test_left_is_the_persons_own() -> None:
    motion = opening_mouth()
    motion.eye_openness[20:25, 0] = 0.02  # the eye on the image's left is the person's right one
    shapes = shapes_of(motion)
    right, left = strength(shapes, "EyeBlinkRight"), strength(shapes, "EyeBlinkLeft")
    assert right[20:25].min() > right[:20].max() + 0.3
    assert right[22] > 2 * left[22]


def test_shapes_become_the_motion_that_they_say() -> None:
    shapes = np.zeros((3, 52), np.float32)
    shapes[1, SHAPES.index("JawOpen")] = 0.5
    shapes[2, [SHAPES.index("EyeBlinkLeft"), SHAPES.index("EyeBlinkRight")]] = 0.6
    motion = sequence_of(shapes, 25.0, "phone")
    lips = motion.landmarks[:, INNER_UPPER_LIP, 1].mean(1) - motion.landmarks[:, INNER_LOWER_LIP, 1].mean(1)
    assert lips[1] > lips[0] + 0.04
    assert (motion.eye_openness[2] < 0.5 * motion.eye_openness[0]).all()
    np.testing.assert_array_equal(motion.mean, TEMPLATE)


def test_there_and_back_a_mouth_stays_itself() -> None:
    motion = opening_mouth()
    back = sequence_of(shapes_of(motion), 25.0, "a").landmarks
    lips = [x[:, INNER_UPPER_LIP, 1].mean(1) - x[:, INNER_LOWER_LIP, 1].mean(1) for x in (motion.landmarks, back)]
    assert np.corrcoef(*lips)[0, 1] > 0.95
    assert lips[1].std() == pytest.approx(lips[0].std(), rel=0.5)
    width = [x[:, MOUTH_CORNERS[1], 0] - x[:, MOUTH_CORNERS[0], 0] for x in (motion.landmarks, back)]
    assert np.abs(width[1] - width[0]).max() < 0.05


def test_what_landmarks_do_not_tell_stays_at_rest() -> None:
    told = shipped_rig().told
    assert {"JawOpen", "EyeBlinkLeft", "EyeBlinkRight", "MouthPucker"} <= set(told)
    assert "TongueOut" not in told
    shapes = shapes_of(opening_mouth())
    assert not shapes[:, [name not in told for name in SHAPES]].any()


def test_predicted_speech_becomes_blendshapes_that_can_be_performed(tmp_path: Path, checkpoint: Path) -> None:
    write_wav(tmp_path / "speech.wav", talk(2.0, seed=3)[0])
    for name in ("out.csv", "out.npz"):
        main(["predict", str(tmp_path / "speech.wav"), str(tmp_path / name), "--generator", str(checkpoint)])
    written, spoken = load_motion(tmp_path / "out.csv"), load_motion(tmp_path / "out.npz")
    assert (len(written), written.fps, written.person) == (50, 25.0, "out")
    np.testing.assert_allclose(written.landmarks, sequence_of(shapes_of(spoken), 25.0, "").landmarks, atol=1e-4)
    save_motion(spoken, tmp_path / "again.CSV")
    assert (tmp_path / "again.CSV").read_text() == (tmp_path / "out.csv").read_text()
