"""Camera paths that are written, and read back as nerfstudio reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.tracking.head_motion import angles
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.motion.camera_moves import (
    Views,
    as_filmed,
    filmed_frames,
    key_turns,
    orbit_turns,
    track_turns,
    turned,
    views_of,
)
from geneface_ns.motion.camera_path import CameraPath, field_of_view, focal_length, timed_path, write_path
from geneface_ns.scene.condition import ConditionTable
from tests.geneface_ns.fakes import make_capture


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return load_capture(make_capture(tmp_path_factory.mktemp("captures") / "anna"))


@pytest.mark.parametrize("count", [2, 44, 607, 5001, 90_001])
def test_a_frames_own_time_is_that_frame(count: int) -> None:
    table = ConditionTable.__new__(ConditionTable)
    torch.nn.Module.__init__(table)
    numbers = torch.arange(count, dtype=torch.float64).float()
    for name in ("landmarks", "eyes", "c2w", "body"):
        table.register_buffer(name, numbers)
    times = torch.from_numpy(np.linspace(0, 1, count, dtype=np.float32))
    for found in table(times):
        assert torch.equal(found, numbers)


def test_as_filmed_is_what_the_table_holds(capture: Capture, tmp_path: Path) -> None:
    frames = filmed_frames(capture, 2.0)
    assert len(frames) == 50
    assert frames[:41].tolist() == [*range(40), 38]
    written = as_filmed(capture, frames, 20.0)
    write_path(tmp_path / "path.json", written, (32, 32), capture.fps)
    read = timed_path(tmp_path / "path.json", capture.fps)
    assert read is not None
    table = ConditionTable(capture)
    for index, frame in enumerate(frames):
        c2w, fov, time = read.at(index)
        condition = table(torch.tensor([time]))
        np.testing.assert_array_equal(c2w, capture.c2w[frame])
        assert torch.equal(condition.c2w[0], table.c2w[frame])
        assert torch.equal(condition.body[0], table.body[frame])
        assert torch.equal(condition.landmarks[0], table.landmarks[frame])
        assert fov == 20.0
    assert focal_length(field_of_view(100.0, 32), 32) == pytest.approx(100.0, rel=1e-6)


def test_another_rate_keeps_time(capture: Capture, tmp_path: Path) -> None:
    frames = filmed_frames(capture, 1.0)
    write_path(tmp_path / "path.json", as_filmed(capture, frames, 20.0), (32, 32), 12.5)  # so it lasts two seconds
    read = timed_path(tmp_path / "path.json", capture.fps)
    assert read is not None
    assert len(read) == 49
    np.testing.assert_allclose(read.times[::2], capture.times[frames], atol=1e-6)


def test_turns_are_what_was_asked_for_and_kept_within_the_views(capture: Capture) -> None:
    path = as_filmed(capture, filmed_frames(capture, None), 20.0)
    own = angles(path.c2w)
    turns = np.tile([[1.5, -0.5]], (len(path), 1))
    wide = Views((-90, 90), (-80, 80))
    moved, clipped = turned(path, turns, wide)
    assert clipped.frames == 0
    np.testing.assert_allclose(angles(moved.c2w)[:, :2], own[:, :2] + turns, atol=1e-3)
    # The head stays where it is in the picture.
    place = [np.linalg.inv(poses.astype(np.float64))[:, :3, 3] for poses in (path.c2w, moved.c2w)]
    np.testing.assert_allclose(*place, atol=1e-5)
    views = views_of(capture)
    moved, clipped = turned(path, np.tile([[30.0, 0.0]], (len(path), 1)), views)
    assert clipped.frames == len(path)
    assert clipped.degrees == pytest.approx(30 + own[:, 0].max() - views.yaw[1], abs=1e-3)
    np.testing.assert_allclose(angles(moved.c2w)[:, 0], views.yaw[1], atol=1e-3)
    still, clipped = turned(path, np.zeros((len(path), 2)), views)
    np.testing.assert_array_equal(still.c2w, path.c2w)
    assert clipped.frames == 0


def test_orbit_and_keys_pass_where_they_should() -> None:
    orbit = orbit_turns(40, 10, 4)
    np.testing.assert_allclose(orbit[[0, 10, 20, 30]], [[10, 0], [0, 4], [-10, 0], [0, -4]], atol=1e-9)
    keys = key_turns(21, [(0, 0), (10, 2), (-5, 0)])
    np.testing.assert_allclose(keys[[0, 10, 20]], [[0, 0], [10, 2], [-5, 0]], atol=1e-9)
    assert np.abs(np.diff(keys, axis=0)).max() < 2.5  # no jump
    assert (key_turns(3, [(4, 5)]) == (4, 5)).all()
    for wrong in ([(np.nan, 0.0)], [(0.0, np.inf)]):
        with pytest.raises(InputError, match="--keys"):
            key_turns(5, wrong)
    with pytest.raises(InputError, match="--orbit"):
        orbit_turns(5, np.nan, 0)


def test_another_heads_motion(tmp_path: Path) -> None:
    other = make_capture(tmp_path / "bert", frames=88, fps=12.5, person="bert")
    track = track_turns(other)
    np.testing.assert_array_equal(track_turns(other / "transforms.json").turns, track.turns)
    np.testing.assert_allclose(track.turns.mean(axis=0), 0, atol=1e-9)
    twice = track.at(60, 25.0)
    np.testing.assert_allclose(twice[::2], track.turns[:30])
    with pytest.raises(InputError, match="not a capture"):
        track_turns(tmp_path)


def test_a_length_that_no_path_has(capture: Capture) -> None:
    for seconds in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(InputError, match="--seconds"):
            filmed_frames(capture, seconds)


@pytest.mark.parametrize(
    ("camera", "says"),
    [
        ({"fov": 180}, "no field of view"),
        ({"fov": 0}, "no field of view"),
        ({"fov": None}, "no field of view|lacks its fov"),
        ({"fov": "wide"}, "lacks its fov"),
        ({"render_time": "late"}, "lacks its fov or render_time"),
        ({"fov": float("nan")}, "nan"),
        ({"render_time": float("nan")}, "nan"),
        ({"camera_to_world": [float("nan")] * 16}, "nan"),
    ],
)
def test_bad_cameras_are_one_line(capture: Capture, tmp_path: Path, camera: dict, says: str) -> None:
    path = tmp_path / "path.json"
    write_path(path, as_filmed(capture, filmed_frames(capture, 0.4), 20.0), (32, 32), 25.0)
    data = json.loads(path.read_text())
    data["camera_path"][3] |= camera
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=says) as caught:
        timed_path(path, 25.0)
    assert "\n" not in str(caught.value)
    assert "path.json" in str(caught.value)


def test_paths_without_times_are_head_poses(capture: Capture, tmp_path: Path) -> None:
    path = tmp_path / "path.json"
    write_path(path, as_filmed(capture, filmed_frames(capture, 0.4), 20.0), (32, 32), 25.0)
    data = json.loads(path.read_text())
    del data["camera_path"][3]["render_time"]
    path.write_text(json.dumps(data))
    assert timed_path(path, 25.0) is None
    assert timed_path(capture.layout.transforms, 25.0) is None


def test_it_is_replayed_to_and_fro() -> None:
    path = CameraPath(np.tile(np.eye(4, dtype=np.float32), (3, 1, 1)), np.arange(1.0, 4.0), np.zeros(3, np.float32))
    assert [path.at(frame)[1] for frame in range(6)] == [1, 2, 3, 2, 1, 2]
