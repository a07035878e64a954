"""Bundle adjustment, against a head of exactly known shape, motion and camera."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.topology import TEMPLATE, eye_openness, fit_similarity, mouth_opening
from audio_motion.tracking.bundle import fit_track, gaps, reprojection_error, with_poses
from audio_motion.tracking.geometry import rotation_from_vector

from .synthetic import FPS, SIZE, Clip, angle_between, moving_head


def truth_in_head_frame(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Rotations of c2w and landmarks after the similarity that defines the head frame."""
    scale, turn, shift = fit_similarity(clip.shape.mean(axis=0), TEMPLATE)
    return turn @ clip.c2w[:, :3, :3], scale * clip.shape @ turn.T + shift


def track(clip: Clip, valid: np.ndarray | None = None):
    return fit_track(clip.meshes, np.ones(len(clip.points), bool) if valid is None else valid, SIZE, FPS)


def test_exact_points_give_exact_poses():
    clip = moving_head(100)
    found = track(clip)
    rotation, landmarks = truth_in_head_frame(clip)
    assert angle_between(found.c2w[:, :3, :3], rotation).max() < 0.1  # degrees
    assert np.linalg.norm(found.landmarks - landmarks, axis=-1).mean() < 0.002  # face widths
    assert found.error < 0.01  # pixels
    assert reprojection_error(found).max() < 0.05
    # Distance is known up to focal length: 6.5 units at 1500 px.
    distance = np.linalg.norm(found.c2w[:, :3, 3], axis=1).mean()
    assert distance / found.fl == pytest.approx(np.linalg.norm(clip.c2w[:, :3, 3], axis=1).mean() / 1500, rel=0.01)


def test_noise_and_speech_leave_the_pose_alone():
    clip = moving_head(200, noise=0.7, mouth=True)
    found = track(clip)
    rotation, landmarks = truth_in_head_frame(clip)
    assert angle_between(found.c2w[:, :3, :3], rotation).mean() < 0.4
    assert np.linalg.norm(found.landmarks - landmarks, axis=-1).mean() < 0.008
    opening, real = mouth_opening(found.landmarks), mouth_opening(landmarks)
    assert np.corrcoef(opening, real)[0, 1] > 0.995
    assert np.polyfit(real, opening, 1)[0] == pytest.approx(1, abs=0.05)  # three closures a second keep their depth
    # 0.7 px of Gaussian noise on each axis is 0.7 * sqrt(pi / 2) = 0.877 px of mean distance; poses absorb a little.
    assert 0.6 < found.error < 0.9


def test_head_frame_is_placed_by_the_similarity_to_the_template():
    found = track(moving_head(60, mouth=True))
    scale, turn, shift = fit_similarity(found.landmarks.mean(axis=0), TEMPLATE)
    assert scale == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(turn, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(shift, 0, atol=1e-4)
    assert found.c2w[:, 2, 3].min() > 3  # the camera stands before the face
    np.testing.assert_allclose(found.eye_openness, eye_openness(found.landmarks), atol=1e-6)


def test_gaps_are_interpolated_and_marked():
    clip = moving_head(100)
    valid = np.ones(100, bool)
    valid[40:50] = False
    clip.meshes[40:50] = np.nan
    found = track(clip, valid)
    np.testing.assert_array_equal(found.valid, valid)
    assert np.isfinite(found.landmarks).all()
    between = angle_between(found.c2w[40:50, :3, :3], found.c2w[39:40, :3, :3])
    np.testing.assert_allclose(np.diff(between), between[0], rtol=1e-3)  # slerp turns at an even rate
    rotation, _ = truth_in_head_frame(clip)
    assert angle_between(found.c2w[~valid, :3, :3], rotation[~valid]).max() < 1.5
    assert angle_between(found.c2w[valid, :3, :3], rotation[valid]).max() < 0.15


def test_a_wild_frame_does_not_bend_the_rest():
    clip = moving_head(100)
    clip.meshes[50, 27:48, 0] += 40
    found = track(clip)
    rotation, _ = truth_in_head_frame(clip)
    others = np.abs(np.arange(100) - 50) > 3
    assert angle_between(found.c2w[others, :3, :3], rotation[others]).max() < 0.2


def test_other_poses_keep_the_projection():
    found = track(moving_head(50))
    turn = np.eye(4)
    turn[:3, :3] = rotation_from_vector(np.radians([0.5, -0.3, 0.2]))
    turned = with_poses(found, turn @ found.c2w)
    assert np.abs(turned.landmarks - found.landmarks).max() > 1e-3
    assert reprojection_error(turned).mean() < 0.05


def test_gap_spans_in_seconds():
    valid = np.ones(100, bool)
    valid[10:40] = valid[90:] = False
    assert gaps(valid, 25) == [(0.4, 1.6)]
    assert gaps(valid, 10) == [(1.0, 4.0), (9.0, 10.0)]
    assert gaps(np.zeros(50, bool), 25) == [(0.0, 2.0)]


def test_too_little_face_is_an_input_error():
    clip = moving_head(100)
    with pytest.raises(InputError, match="no face found"):
        track(clip, np.zeros(100, bool))
    with pytest.raises(InputError, match=r"no face in 60% of the frames.*from 1.6 s to 4.0 s"):
        track(clip, np.arange(100) < 40)


def test_one_frame_is_enough():
    found = track(moving_head(1))
    assert found.landmarks.shape == (1, 68, 3)
    assert found.error < 0.5


def test_sequence_of_a_track():
    found = track(moving_head(20))
    sequence = found.sequence("anna", "mediapipe")
    assert (sequence.person, sequence.producer.kind, sequence.fps, len(sequence)) == ("anna", "tracker", FPS, 20)
    assert dataclasses.is_dataclass(sequence)
