"""How the head's pose and the body move together over time while somebody speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from audio_motion.errors import InputError, one_line
from audio_motion.json_file import read_json
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.person import Person
from geneface_ns.capture_format.poses import is_rigid

SMOOTHING = 1.5
"""Frames; deviation of the Gaussian along time. 1 to 2 take the tracker's jitter away at no cost, 4 would show."""
WINDOW = 16
"""Frames of head motion before and after that the body is predicted from."""
SHORTEST_PATH, LONGEST_PATH = 1e-3, 3600.0
"""Seconds of a camera path; it is replayed to and fro where speech lasts longer."""
_GIVE = "save a camera path in the viewer's Render tab or give another capture's transforms.json"

BodyPredictor = Callable[[np.ndarray], np.ndarray]
"""Camera to head [T, 4, 4] -> body motion [T, 2, 3]."""


@dataclass(frozen=True)
class Trajectory:
    """Head pose and body motion over T frames, replayed forwards and backwards for as long as is asked."""

    c2w: np.ndarray
    """float64 [T, 4, 4]: camera to head frame."""
    body: np.ndarray
    """float64 [T, 2, 3]: the torso's affine motion, pixels of the capture (docs/conventions.md)."""
    fps: float

    def at(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Pose float32 [4, 4] and body motion float32 [2, 3] at `time` seconds, between frames interpolated."""
        # A frame's own time is that frame, whatever the division by fps has rounded away.
        position = float(pingpong_index(round(time * self.fps, 6), len(self.c2w)))
        low = int(position)
        pair = slice(low, low + 2)
        weight = position - low
        pose = interpolate_pose(self.c2w[pair][0], self.c2w[pair][-1], weight)
        body = self.body[pair][0] * (1 - weight) + self.body[pair][-1] * weight
        return pose.astype(np.float32), body.astype(np.float32)


def pingpong_index(position: np.ndarray | float, length: int) -> np.ndarray:
    """Where a walk that turns round at both ends of 0 .. length - 1 is after `position` >= 0 steps (any shape).

    Whole steps stay whole: for length 3 the walk is 0 1 2 1 0 1 2 ...; each end is visited once a turn.
    """
    if length == 1:
        return np.zeros_like(position)
    around = np.mod(position, 2 * (length - 1))
    return np.minimum(around, 2 * (length - 1) - around)


def interpolate_pose(a: np.ndarray, b: np.ndarray, weight: float) -> np.ndarray:
    """The rigid pose [4, 4] at `weight` in [0, 1] of the way from `a` to `b`: turns at constant speed."""
    step = Rotation.from_matrix(a[:3, :3].T @ b[:3, :3]).as_rotvec()
    pose = a.copy()
    pose[:3, :3] = a[:3, :3] @ Rotation.from_rotvec(step * weight).as_matrix()
    pose[:3, 3] = a[:3, 3] * (1 - weight) + b[:3, 3] * weight
    return pose


def smooth_poses(c2w: np.ndarray, deviation: float) -> np.ndarray:
    """Rigid poses [T, 4, 4] smoothed along time by a Gaussian of `deviation` frames.

    Rotations are averaged as matrices and moved back onto the nearest rotation: the chordal mean (Hartley et al., IJCV
    2013). The ends are mirrored, so a walk that turns round there slows down into the turn.
    """
    if deviation == 0:
        return c2w
    smooth = gaussian_filter1d(np.asarray(c2w, np.float64), deviation, axis=0, mode="mirror")
    u, _, vt = np.linalg.svd(smooth[:, :3, :3])
    u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
    smooth[:, :3, :3] = u @ vt
    return smooth


def resample_poses(c2w: np.ndarray, fps: float, target_fps: float) -> np.ndarray:
    """Poses [T, 4, 4] at `fps` as poses at `target_fps`, over the same time from first to last frame."""
    if fps == target_fps:
        return c2w
    positions = np.arange(int((len(c2w) - 1) / fps * target_fps + 1e-6) + 1) * (fps / target_fps)
    last = len(c2w) - 1
    return np.stack([interpolate_pose(c2w[min(int(p), last)], c2w[min(int(p) + 1, last)], p % 1) for p in positions])


def mean_pose(c2w: np.ndarray) -> np.ndarray:
    """The mean [4, 4] of rigid poses [T, 4, 4] (chordal mean of the rotations)."""
    pose = np.asarray(c2w, np.float64).mean(axis=0)
    pose[:3, :3] = Rotation.from_matrix(c2w[:, :3, :3]).mean().as_matrix()
    return pose


def rebase_poses(c2w: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Move poses [T, 4, 4] of another capture as a whole so that their mean is the pose `onto` [4, 4].

    What is kept is the motion about the mean, in the head frame.
    """
    return c2w @ np.linalg.inv(mean_pose(c2w)) @ onto


def head_motion_features(c2w: np.ndarray, reference: np.ndarray, window: int) -> np.ndarray:
    """A window of head motion for each frame: [T, 4, 4], reference pose [4, 4] -> [T, (2 * window + 1) * 6].

    Per frame: the head's rotation vector against the reference (radians) and its position seen from the camera. The
    ends are mirrored.
    """
    w2c = np.linalg.inv(c2w)
    turn = Rotation.from_matrix(w2c[:, :3, :3] @ reference[:3, :3]).as_rotvec()
    motion = np.concatenate([turn, w2c[:, :3, 3]], axis=1)
    index = np.arange(len(c2w))[:, None] + np.arange(-window, window + 1)
    return motion[pingpong_index(np.abs(index), len(c2w))].reshape(len(c2w), -1)


def fit_body_predictor(c2w: np.ndarray, body: np.ndarray, window: int = WINDOW) -> BodyPredictor:
    """Ridge regression from a window of head motion to the body's motion.

    Args:
        c2w: [T, 4, 4] consecutive poses of the capture.
        body: [T, 2, 3] the body's motion in the same frames.
        window: frames before and after that are seen.

    Returns:
        A function from poses [N, 4, 4] at the same fps to body motion [N, 2, 3], kept within the range seen. The
        penalty is the one that predicts the last fifth best from the rest.
    """
    reference = mean_pose(c2w)
    features = head_motion_features(c2w, reference, window)
    shift, scale = features.mean(axis=0), features.std(axis=0) + 1e-8
    x = (features - shift) / scale
    y = body.reshape(len(body), -1).astype(np.float64)
    head = max(1, len(x) * 4 // 5)

    def solve(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        gram = (x - x_mean).T @ (x - x_mean) + penalty * len(x) * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, (x - x_mean).T @ (y - y_mean))
        return weights, y_mean - x_mean @ weights

    def held_out_error(penalty: float) -> float:
        weights, bias = solve(x[:head], y[:head], penalty)
        return float(((x[head:] @ weights + bias - y[head:]) ** 2 / (y.var(axis=0) + 1e-12)).sum())

    weights, bias = solve(x, y, min((1e-6, 1e-4, 1e-2, 1e-1, 1.0, 10.0), key=held_out_error))

    def predict(poses: np.ndarray) -> np.ndarray:
        x = (head_motion_features(poses, reference, window) - shift) / scale
        return np.clip(x @ weights + bias, y.min(axis=0), y.max(axis=0)).reshape(len(poses), 2, 3)

    return predict


def own_trajectory(person: Person, smoothing: float = SMOOTHING) -> Trajectory:
    """The person's own training frames: head and body as they really moved together."""
    own = person.is_train
    c2w = smooth_poses(person.c2w[own].astype(np.float64), smoothing)
    body = gaussian_filter1d(person.body[own].astype(np.float64), smoothing, axis=0, mode="mirror")
    return Trajectory(c2w, body, person.fps)


def trajectory_from_file(path: Path, person: Person) -> Trajectory:
    """Poses from elsewhere, with the body predicted from them.

    Args:
        path: a camera path saved by nerfstudio's viewer, or the `transforms.json` of another capture. A path's poses
            are taken exactly as they are, and resampled only where its frame rate is not the person's; its fields of
            view are not used, the person's lens stays. Another capture's head motion is smoothed as this one's own is,
            and moved onto this person's mean pose.
        person: who is shown; the body's answer to the head's motion is learnt from it.

    Raises:
        InputError: neither of these files, or a path that no camera can follow.
    """
    path = Path(path)
    data = read_path(path)
    if "camera_path" in data:
        c2w = path_poses(path, data)
        c2w = resample_poses(c2w, rate_of(data, len(c2w), person.fps), person.fps)
    else:
        other = load_capture(path.parent)
        c2w = rebase_poses(
            other.c2w[other.is_train].astype(np.float64), mean_pose(person.c2w[person.is_train].astype(np.float64))
        )
        c2w = smooth_poses(resample_poses(c2w, other.fps, person.fps), SMOOTHING)
    own = own_trajectory(person)
    return Trajectory(c2w, fit_body_predictor(own.c2w, own.body)(c2w), person.fps)


def read_path(path: Path) -> dict:
    """The contents of a camera path of the viewer (`camera_path`) or of a capture's transforms.json (`frames`).

    Raises:
        InputError: neither.
    """
    data = read_json(path, _GIVE)
    if not data.keys() & {"camera_path", "frames"}:
        raise _not_a_path(path, "no cameras in it")
    return data


def path_poses(path: Path, data: dict) -> np.ndarray:
    """The poses float64 [T, 4, 4] of a viewer's camera path as they are.

    Raises:
        InputError: none, or no rotation and place.
    """
    try:
        c2w = np.array([camera["camera_to_world"] for camera in data["camera_path"]], np.float64).reshape(-1, 4, 4)
        seconds = float(data["seconds"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _not_a_path(path, f"{type(error).__name__}: {one_line(error)}") from error
    if len(c2w) == 0:
        raise _not_a_path(path, "it holds no camera")
    if not SHORTEST_PATH <= seconds <= LONGEST_PATH:
        raise InputError(
            f'{path}: lasts {seconds:g} s; give a path whose "seconds" are above 0 and at most {LONGEST_PATH:g}'
        )
    bad = ~is_rigid(c2w)
    if bad.any():
        raise InputError(
            f"{path}: camera {int(bad.argmax())} is not a rotation and a place; save the path again in the viewer"
        )
    return c2w


def rate_of(data: dict, count: int, fps: float) -> float:
    """Cameras a second of a path with `count` of them, which is `fps` where it is that within the viewer's rounding."""
    seconds = float(data["seconds"])
    # The viewer rounds the number of cameras down: within one frame over the whole path, the rates are the same.
    return fps if abs(count - seconds * fps) < 1 else count / seconds


def _not_a_path(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: not a camera path ({reason}); {_GIVE}")
