"""Camera paths around a person: as filmed, an orbit, key views, or another capture's head motion; within what the
person's own poses have shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from audio_motion.errors import InputError
from audio_motion.tracking.head_motion import angles
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.person import Person
from geneface_ns.motion.camera_path import CameraPath
from geneface_ns.motion.trajectory import own_trajectory, pingpong_index

LONGEST = 3600.0
"""Seconds of a path."""


class Views(NamedTuple):
    """From where a person was filmed in the training frames, degrees."""

    yaw: tuple[float, float]
    pitch: tuple[float, float]


class Clipped(NamedTuple):
    """What was kept within the views."""

    frames: int
    """How many."""
    degrees: float
    """By how much at most."""


def views_of(person: Person) -> Views:
    """From where a person was filmed."""
    turn = angles(person.c2w[person.is_train & person.valid].astype(np.float64))
    low, high = turn.min(axis=0), turn.max(axis=0)
    return Views((float(low[0]), float(high[0])), (float(low[1]), float(high[1])))


def filmed_frames(person: Person, seconds: float | None) -> np.ndarray:
    """int [N]: the training frames in order, to and fro for so many seconds (None: each once).

    Raises:
        InputError: a length that no path can have.
    """
    own = np.flatnonzero(person.is_train)
    if seconds is None:
        return own
    if not 1 / person.fps <= seconds <= LONGEST:
        raise InputError(f"--seconds {seconds:g}: give a length from one frame to {LONGEST:g}")
    return own[pingpong_index(np.arange(max(1, round(seconds * person.fps))), len(own))]


def as_filmed(person: Person, frames: np.ndarray, fov: float) -> CameraPath:
    """The capture's own camera in frames int [N]."""
    return CameraPath(person.c2w[frames], np.full(len(frames), fov), person.times[frames])


class TrackTurns(NamedTuple):
    """How another head turned about its mean."""

    turns: np.ndarray
    """float64 [T, 2] degrees of yaw and pitch."""
    fps: float

    def at(self, count: int, fps: float) -> np.ndarray:
        """degrees [N, 2] in the first N frames at another rate, to and fro."""
        place = pingpong_index(np.arange(count) * (self.fps / fps), len(self.turns))
        known = np.arange(len(self.turns))
        return np.stack([np.interp(place, known, axis) for axis in self.turns.T], axis=1)


def track_turns(path: Path) -> TrackTurns:
    """The head motion of a capture in its training frames, smoothed as a trajectory is.

    Args:
        path: its folder, or its transforms.json.

    Raises:
        InputError: no capture.
    """
    path = Path(path)
    capture = load_capture(path.parent if path.name == Layout(path.parent).transforms.name else path)
    turns = angles(own_trajectory(capture).c2w)[:, :2]
    return TrackTurns(turns - turns.mean(axis=0), capture.fps)


def orbit_turns(count: int, yaw: float, pitch: float) -> np.ndarray:
    """One round: degrees [N, 2] of yaw and pitch beside the filmed view; it begins and ends at one side.

    Raises:
        InputError: not finite.
    """
    if not np.isfinite([yaw, pitch]).all():
        raise InputError("--orbit: give finite degrees of yaw and pitch")
    phase = 2 * np.pi * np.arange(count) / count
    return np.stack([yaw * np.cos(phase), pitch * np.sin(phase)], axis=1)


def key_turns(count: int, keys: Sequence[tuple[float, float]]) -> np.ndarray:
    """Smoothly through key views, evenly spread from first to last frame and at rest in each: degrees [N, 2].

    Raises:
        InputError: not finite.
    """
    points = np.array(keys, np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise InputError("--keys: give finite degrees of yaw and pitch, two a view")
    if len(points) == 1:
        return np.repeat(points, count, axis=0)
    place = np.linspace(0, len(points) - 1, count)
    whole = np.minimum(place.astype(int), len(points) - 2)
    part = (place - whole)[:, None]
    eased = part * part * (3 - 2 * part)
    return points[whole] * (1 - eased) + points[whole + 1] * eased


def turned(path: CameraPath, turns: np.ndarray, views: Views) -> tuple[CameraPath, Clipped]:
    """A path with the camera turned about the head, kept within the person's views; the head stays where it is in the
    picture.

    Args:
        path: to begin with.
        turns: degrees [N, 2] of yaw and pitch (as `angles`) beside the path's own.
    """
    own = angles(path.c2w.astype(np.float64))[:, :2]
    wanted = own + turns
    kept = wanted.copy()
    for axis, (low, high) in enumerate(views):
        kept[:, axis] = np.clip(wanted[:, axis], min(low, high), max(low, high))
    away = np.abs(wanted - kept)
    c2w = np.stack([_facing(pose, angle) for pose, angle in zip(path.c2w.astype(np.float64), kept, strict=True)])
    c2w = np.where((np.abs(kept - own) > 1e-9).any(axis=1)[:, None, None], c2w, path.c2w)
    clipped = Clipped(int((away > 1e-6).any(axis=1).sum()), float(away.max()))
    return CameraPath(c2w.astype(np.float32), path.fov, path.times), clipped


def _facing(c2w: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """The pose [4, 4] with the head turned in place by the smallest rotation to yaw and pitch, degrees [2]."""
    yaw, pitch = np.radians(angle)
    wanted = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    w2c = np.linalg.inv(c2w)
    forward = w2c[:3, 2]
    axis, cosine = np.cross(forward, wanted), float(forward @ wanted)
    sine = float(np.linalg.norm(axis))
    turn = Rotation.from_rotvec(axis / max(sine, 1e-12) * np.arctan2(sine, cosine)).as_matrix()
    w2c[:3, :3] = turn @ w2c[:3, :3]
    return np.linalg.inv(w2c)
