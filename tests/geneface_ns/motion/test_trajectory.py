"""Trajectories: by poses and bodies whose truth is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.motion.trajectory import (
    Trajectory,
    fit_body_predictor,
    interpolate_pose,
    mean_pose,
    own_trajectory,
    pingpong_index,
    rebase_poses,
    resample_poses,
    smooth_poses,
    trajectory_from_file,
)
from tests.geneface_ns.fakes import head_nods, make_capture


def turning(angles: np.ndarray) -> np.ndarray:
    poses = np.tile(np.eye(4), (len(angles), 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("y", angles[:, None], degrees=True).as_matrix()
    poses[:, 0, 3] = angles
    return poses


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(Rotation.from_matrix(a[..., :3, :3].swapaxes(-1, -2) @ b[..., :3, :3]).magnitude())


def test_pingpong() -> None:
    np.testing.assert_array_equal(pingpong_index(np.arange(9), 4), [0, 1, 2, 3, 2, 1, 0, 1, 2])
    np.testing.assert_array_equal(pingpong_index(np.arange(3), 1), [0, 0, 0])
    assert pingpong_index(3.25, 4) == 2.75


@given(st.floats(0, 1e5), st.integers(2, 500))
def test_pingpong_never_jumps(position: float, length: int) -> None:
    here, there = pingpong_index(position, length), pingpong_index(position + 0.5, length)
    assert 0 <= here <= length - 1
    assert abs(here - there) <= 0.5 + 1e-6


def test_interpolation_turns_evenly_across_half_turn() -> None:
    poses = turning(np.array([170.0, 200.0]))  # matrices of 170 and -160 degrees
    middle = interpolate_pose(poses[0], poses[1], 1 / 3)
    assert degrees_between(middle, turning(np.array([180.0]))[0]) == pytest.approx(0, abs=1e-6)
    assert middle[0, 3] == pytest.approx(180)


def test_smoothing_keeps_even_motion_and_removes_jitter() -> None:
    truth = turning(np.linspace(0, 50, 101))
    inner = slice(10, -10)
    np.testing.assert_allclose(degrees_between(smooth_poses(truth, 1.5), truth)[inner], 0, atol=1e-5)
    noisy = truth.copy()
    noise = Rotation.from_rotvec(np.random.default_rng(0).normal(0, np.radians(0.5), (101, 3)))
    noisy[:, :3, :3] = noise.as_matrix() @ truth[:, :3, :3]
    before, after = (degrees_between(poses, truth)[inner].mean() for poses in (noisy, smooth_poses(noisy, 1.5)))
    # A Gaussian of deviation s divides white noise by sqrt(2 s sqrt(pi)) = 2.3 for s = 1.5.
    assert before / after == pytest.approx(2.3, rel=0.25)
    smooth = smooth_poses(noisy, 1.5)[:, :3, :3]
    np.testing.assert_allclose(smooth @ smooth.swapaxes(1, 2), np.tile(np.eye(3), (101, 1, 1)), atol=1e-9)


def test_smoothing_slows_down_into_the_turn() -> None:
    smooth = smooth_poses(turning(np.arange(40.0)), 1.5)[:, 0, 3]
    assert smooth[1] - smooth[0] < 0.6  # a turn at full speed would be a kick
    assert smooth[20] - smooth[19] == pytest.approx(1)


def test_resampling_keeps_time() -> None:
    poses = turning(np.arange(11.0))  # one degree a frame, 10 fps: a second
    at_25 = resample_poses(poses, 10.0, 25.0)
    assert len(at_25) == 26
    np.testing.assert_allclose(at_25[:, 0, 3], np.arange(26) * 0.4, atol=1e-9)
    np.testing.assert_allclose(degrees_between(at_25, turning(np.arange(26) * 0.4)), 0, atol=1e-5)


def test_rebasing_keeps_the_motion_about_the_mean() -> None:
    other = turning(np.array([30.0, 40.0, 50.0]))
    other[:, :3, 3] = 0
    onto = turning(np.array([-5.0]))[0]
    onto[:3, 3] = (0, 0, 3)
    moved = rebase_poses(other, onto)
    np.testing.assert_allclose(degrees_between(moved, turning(np.array([-15.0, -5.0, 5.0]))), 0, atol=1e-5)
    np.testing.assert_allclose(moved[1], onto, atol=1e-9)


def test_trajectory_by_time() -> None:
    body = np.zeros((4, 2, 3))
    body[:, 0, 2] = [0, 10, 20, 30]
    walk = Trajectory(turning(np.array([0.0, 1.0, 2.0, 3.0])), body, fps=10.0)
    for time, degrees in ((0.0, 0.0), (0.15, 1.5), (0.3, 3.0), (0.4, 2.0), (0.65, 0.5), (60.0, 0.0)):
        c2w, moved = walk.at(time)
        assert moved[0, 2] == pytest.approx(degrees * 10, abs=1e-4)
        assert c2w[0, 3] == pytest.approx(degrees, abs=1e-5)


def test_body_predictor_finds_a_body_that_follows_late() -> None:
    # The truth: the shoulders follow the head's turn 8 frames later, 100 px a radian.
    c2w = head_nods(900)
    turn = Rotation.from_matrix(c2w[:, :3, :3]).as_rotvec()[:, 1]
    body = np.tile(np.eye(2, 3), (900, 1, 1))
    body[8:, 0, 2] = 100 * turn[:-8]
    body[:8, 0, 2] = body[8, 0, 2]
    predict = fit_body_predictor(c2w[20:600], body[20:600])
    predicted = predict(c2w[600:])[20:-20]
    np.testing.assert_allclose(predicted[:, 0, 2], body[620:880, 0, 2], atol=1.0)  # of +- 15 px
    np.testing.assert_allclose(predicted[:, :, :2], np.tile(np.eye(2), (260, 1, 1)), atol=1e-6)


def test_body_prediction_stays_within_what_was_seen() -> None:
    c2w = head_nods(200)
    body = np.tile(np.eye(2, 3), (200, 1, 1))
    body[:, 0, 2] = c2w[:, 0, 3]
    far = c2w.copy()
    far[:, :3, 3] *= 100
    assert np.abs(fit_body_predictor(c2w, body)(far)[:, 0, 2]).max() <= np.abs(body[:, 0, 2]).max() + 1e-9


def test_own_trajectory_uses_training_frames(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    walk = own_trajectory(capture)
    assert len(walk.c2w) == 40
    # Body x is the frame's number, which smoothing keeps away from the ends.
    assert walk.at(20 / 25)[1][0, 2] == pytest.approx(20, abs=1e-4)


def test_camera_path_of_the_viewer(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    cameras = [{"camera_to_world": pose.ravel().tolist(), "fov": 20} for pose in head_nods(50)]
    path = tmp_path / "path.json"
    path.write_text(json.dumps({"camera_path": cameras, "seconds": 5.0, "render_height": 9, "render_width": 9}))
    walk = trajectory_from_file(path, capture)
    assert walk.fps == 25
    assert len(walk.c2w) == 123  # 50 cameras in 5 s: the last stands at 4.9 s, which is frame 122.5 at 25 fps
    assert degrees_between(walk.at(2.0)[0], head_nods(50)[20]) < 0.2


def test_another_captures_poses(tmp_path: Path) -> None:
    anna = load_capture(make_capture(tmp_path / "anna"))
    make_capture(tmp_path / "bert", person="bert", frames=88)
    walk = trajectory_from_file(tmp_path / "bert" / "transforms.json", anna)
    assert len(walk.c2w) == 80
    assert degrees_between(mean_pose(walk.c2w), mean_pose(anna.c2w[:40])) < 0.1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "3",
        "[" * 100_000,
        '{"camera_path": null, "seconds": 3}',
        '{"camera_path": [], "seconds": 3}',
        '{"camera_path": [{}]}',
        '{"camera_path": [], "seconds": null}',
        '{"camera_path": [{"camera_to_world": [1, 2]}], "seconds": 3}',
        f'{{"camera_path": [], "seconds": 1{"0" * 400}}}',
    ],
)
def test_not_a_camera_path(tmp_path: Path, text: str) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    path = tmp_path / "path.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"path\.json: (not a camera path|malformed)"):
        trajectory_from_file(path, capture)


def write_path(path: Path, c2w: np.ndarray, seconds: float) -> Path:
    cameras = [{"camera_to_world": pose.ravel().tolist(), "fov": 20} for pose in c2w]
    path.write_text(json.dumps({"camera_path": cameras, "seconds": seconds}))
    return path


def test_a_camera_path_is_followed_exactly_cuts_included(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    c2w = head_nods(50).astype(np.float32).astype(np.float64)
    c2w[20:] = c2w[20:] @ np.diag([-1.0, 1, -1, 1])  # a cut to the other side
    walk = trajectory_from_file(write_path(tmp_path / "path.json", c2w, 2.0), capture)
    for index in range(50):
        np.testing.assert_array_equal(walk.at(index / 25)[0], c2w[index].astype(np.float32))


def test_a_path_of_another_frame_rate_goes_through_its_cameras(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    c2w = head_nods(30)
    walk = trajectory_from_file(write_path(tmp_path / "path.json", c2w, 2.4), capture)  # 12.5 cameras a second
    for index in range(30):
        np.testing.assert_allclose(walk.at(index / 12.5)[0], c2w[index], atol=1e-6)


def test_a_rounded_number_of_cameras_is_no_other_frame_rate(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    c2w = head_nods(62).astype(np.float32)
    walk = trajectory_from_file(write_path(tmp_path / "path.json", c2w, 2.5), capture)  # 62.5 cameras
    np.testing.assert_array_equal(walk.c2w, c2w)


def test_another_captures_poses_are_smoothed(tmp_path: Path) -> None:
    anna = load_capture(make_capture(tmp_path / "anna"))
    folder = make_capture(tmp_path / "bert", person="bert", frames=88)
    data = json.loads((folder / "transforms.json").read_text())
    for index, frame in enumerate(data["frames"]):
        frame["transform_matrix"][0][3] += 0.01 * (-1) ** index  # the tracker's jitter
    (folder / "transforms.json").write_text(json.dumps(data))
    jitter = np.diff(trajectory_from_file(folder / "transforms.json", anna).c2w[:, 0, 3], n=2)
    assert np.abs(jitter).max() < 0.01  # of 0.04


@pytest.mark.parametrize("seconds", [math.nan, -2.0, 0.0, math.inf, 1e12, 3601.0])
def test_a_path_that_lasts_no_time_or_for_ever(tmp_path: Path, seconds: float) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    path = write_path(tmp_path / "path.json", head_nods(3), seconds)
    told = r'path\.json: (lasts .* s; give a path whose "seconds" are|.*seconds is)'
    with pytest.raises(InputError, match=told) as error:
        trajectory_from_file(path, capture)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda pose: pose * math.nan,
        lambda pose: pose * 1e300,
        lambda pose: pose @ np.diag([1.0, 1, -1, 1]),  # a mirror
        lambda pose: pose @ np.diag([2.0, 2, 2, 1]),
        lambda pose: pose * 0,
        lambda pose: pose.T,
    ],
    ids=["nan", "huge", "mirrored", "enlarged", "zero", "transposed"],
)
def test_a_path_of_what_are_no_poses(tmp_path: Path, spoilt: Callable[[np.ndarray], np.ndarray]) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    c2w = head_nods(3)
    c2w[1] = spoilt(c2w[1])
    with pytest.raises(InputError, match=r"path\.json: (camera 1 is not a rotation and a place|.*camera_path\[1\])"):
        trajectory_from_file(write_path(tmp_path / "path.json", c2w, 1.0), capture)
