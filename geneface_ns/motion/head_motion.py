"""How head, shoulders, brows and lids move while a person says something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from audio_motion.topology import BROWS, EYES
from geneface_ns.capture_format.person import Person
from geneface_ns.motion.selection import Selection, footage_of, select
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.trajectory import SMOOTHING, Trajectory, mean_pose, own_trajectory, smooth_poses


class HeadMotion(NamedTuple):
    """What goes with a speech."""

    trajectory: Trajectory
    """Head and body."""
    selection: Selection | None
    """The person's own frames that brows and lids are taken from; None where there is too little video to choose
    from, and head and body go to and fro."""


def head_motion(person: Person, own_prosody: np.ndarray, prosody: np.ndarray, seed: int, amount: float) -> HeadMotion:
    """How the person's head moves while they say something.

    Args:
        own_prosody: float32 [F, 3] of the person's own video.
        prosody: float32 [N, 3] of what is said, at the person's fps.
        seed: another one, another performance.
        amount: 0 keeps head and body still, 1 moves them as filmed, more enlarges their motion, though not beyond where
            they were filmed.
    """
    footage = footage_of(person, own_prosody)
    selection = None if footage is None else select(footage, prosody, seed)
    trajectory = own_trajectory(person) if selection is None else _followed(person, selection)
    return HeadMotion(moderated(trajectory, own_trajectory(person), amount), selection)


def with_own_upper_face(
    motion: Iterable[MotionFrame], person: Person, selection: Selection | None
) -> Iterator[MotionFrame]:
    """A face's motion with the brows and eyes of the person's own frames; the last ones stay where it is longer.

    The eyes' landmarks come as they were tracked, not as lids drawn into the mean face: the head has learnt what the
    person's own look like, and nothing between.
    """
    if selection is None:
        yield from motion
        return
    tracked = person.landmarks
    for index, frame in enumerate(motion):
        first, second, weight = (column[min(index, len(selection.weight) - 1)] for column in selection)
        landmarks = frame.landmarks.copy()
        for part in (BROWS, EYES):
            landmarks[part] = (1 - weight) * tracked.landmarks[first, part] + weight * tracked.landmarks[second, part]
        eyes = (1 - weight) * tracked.eye_openness[first] + weight * tracked.eye_openness[second]
        yield MotionFrame(landmarks, eyes.astype(np.float32))


def moderated(trajectory: Trajectory, own: Trajectory, amount: float) -> Trajectory:
    """A trajectory with its motion about the mean of `own` so many times as large, kept within what `own` shows."""
    if amount == 1:
        return trajectory
    reference, middle = mean_pose(own.c2w), own.body.mean(axis=0)

    def about_mean(c2w: np.ndarray) -> np.ndarray:
        turn = Rotation.from_matrix(reference[:3, :3].T @ c2w[:, :3, :3]).as_rotvec()
        return np.concatenate([turn, c2w[:, :3, 3] - reference[:3, 3]], axis=1)

    shown, moved = about_mean(own.c2w), amount * about_mean(trajectory.c2w)
    body = amount * (trajectory.body - middle)
    if amount > 1:
        moved = np.clip(moved, shown.min(axis=0), shown.max(axis=0))
        body = np.clip(body, (own.body - middle).min(axis=0), (own.body - middle).max(axis=0))
    c2w = np.tile(np.eye(4), (len(moved), 1, 1))
    c2w[:, :3, :3] = reference[:3, :3] @ Rotation.from_rotvec(moved[:, :3]).as_matrix()
    c2w[:, :3, 3] = reference[:3, 3] + moved[:, 3:]
    return Trajectory(c2w, body + middle, trajectory.fps)


def _followed(person: Person, selection: Selection) -> Trajectory:
    """Head and body in the chosen frames."""
    c2w = smooth_poses(person.c2w.astype(np.float64), SMOOTHING)
    body = gaussian_filter1d(person.body.astype(np.float64), SMOOTHING, axis=0, mode="mirror")
    a, b, weight = c2w[selection.first], c2w[selection.second], selection.weight[:, None]
    step = Rotation.from_matrix(np.swapaxes(a[:, :3, :3], 1, 2) @ b[:, :3, :3]).as_rotvec()
    poses = a.copy()
    poses[:, :3, :3] = a[:, :3, :3] @ Rotation.from_rotvec(step * weight).as_matrix()
    poses[:, :3, 3] = a[:, :3, 3] * (1 - weight) + b[:, :3, 3] * weight
    weight = weight[..., None]
    moved = body[selection.first] * (1 - weight) + body[selection.second] * weight
    return Trajectory(poses, moved, person.fps)
