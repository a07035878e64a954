"""One pose a frame for a known rigid shape: Gauss-Newton on 2-D points with a smoothness prior along time."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from audio_motion.tracking.geometry import Pinhole, vector_from_rotation
from audio_motion.tracking.shape import EFFECTIVE_POINTS, moved, pose_jacobian

TURN_ACCELERATION = np.radians(600.0)
"""Typical acceleration of a talking head's rotation, radians / s^2: 5 degrees of nodding at 2 Hz reach
790 degrees / s^2. The prior is this wide, so that it holds back jitter (which accelerates ten times as hard) and no
motion."""

SHIFT_ACCELERATION = 8.0
"""The same for position, face widths / s^2."""

CHUNK = 1024
"""Frames whose Jacobians are held at once."""


def solve_poses(
    points: np.ndarray,
    valid: np.ndarray,
    shape: np.ndarray,
    weights: np.ndarray,
    camera: Pinhole,
    rotation: np.ndarray,
    translation: np.ndarray,
    noise: float,
    face_width: float,
    fps: float,
    rounds: int = 6,
) -> tuple[np.ndarray, np.ndarray]:
    """Refine poses to explain 2-D points.

    Args:
        points: [T, N, 2] pixels; anything where not valid.
        valid: bool [T]; the poses of other frames are left alone.
        shape: [N, 3]; weights: [N].
        rotation, translation: [T, 3, 3], [T, 3] to begin with.
        noise: expected deviation of a point, pixels; larger errors count less and less (Cauchy).
        face_width: in the shape's unit.

    Returns:
        rotation [T, 3, 3], translation [T, 3].
    """
    strength = weights / weights.sum() * EFFECTIVE_POINTS / noise**2
    for _ in range(rounds):
        hessian = np.tile(np.eye(6), (len(points), 1, 1))
        gradient = np.zeros((len(points), 6))
        for first in range(0, len(points), CHUNK):
            chunk = np.flatnonzero(valid[first : first + CHUNK]) + first
            turned = shape @ np.swapaxes(rotation[chunk], 1, 2)
            in_camera = turned + translation[chunk, None]
            residual = points[chunk] - camera.project(in_camera)
            weight = strength / (1 + (residual**2).sum(axis=-1) / (2 * noise) ** 2)
            by_pose = pose_jacobian(camera.jacobian(in_camera), turned)
            weighted = (by_pose * weight[..., None, None]).reshape(len(chunk), -1, 6)
            hessian[chunk] = np.swapaxes(weighted, 1, 2) @ by_pose.reshape(len(chunk), -1, 6)
            gradient[chunk] = (np.swapaxes(weighted, 1, 2) @ residual.reshape(len(chunk), -1, 1))[..., 0]
        step = smooth_step(hessian, gradient, rotation, translation, valid, face_width, fps)
        rotation, translation = moved(rotation, translation, step)
        if np.abs(step[:, :3]).max(initial=0) < 1e-6:
            break
    return rotation, translation


def smooth_step(
    hessian: np.ndarray,
    gradient: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    valid: np.ndarray,
    face_width: float,
    fps: float,
) -> np.ndarray:
    """The Gauss-Newton step [T, 6] of all poses under the prior on acceleration.

    Args:
        hessian, gradient: [T, 6, 6], [T, 6] of the data, per frame.
        rotation, translation: the present poses. The prior reaches only across three consecutive valid frames.
    """
    frames = len(hessian)
    if frames < 3:
        return np.linalg.solve(hessian, gradient[..., None])[..., 0]
    turn = vector_from_rotation(rotation[1:] @ np.swapaxes(rotation[:-1], 1, 2))
    acceleration = np.concatenate([np.diff(turn, axis=0), np.diff(translation, n=2, axis=0)], axis=1)  # [T - 2, 6]
    deviation = np.repeat([TURN_ACCELERATION / fps**2, SHIFT_ACCELERATION * face_width / fps**2], 3)
    strength = (valid[:-2] & valid[1:-1] & valid[2:])[:, None] / deviation**2

    gradient, diagonal = gradient.copy(), np.zeros((frames, 6))
    first, second = np.zeros((frames, 6)), np.zeros((frames, 6))
    for offset, factor in enumerate((1.0, -2.0, 1.0)):
        gradient[offset : frames - 2 + offset] -= factor * strength * acceleration
        diagonal[offset : frames - 2 + offset] += factor**2 * strength
    first[: frames - 2] -= 2 * strength
    first[1 : frames - 1] -= 2 * strength
    second[: frames - 2] += strength

    # Lower band storage: row k holds the entries k below the diagonal; frames' blocks are 6 wide.
    band = np.zeros((13, frames, 6))
    for k in range(6):
        for column in range(6 - k):
            band[k, :, column] = hessian[:, column + k, column]
    band[0] += diagonal
    band[6], band[12] = first, second
    return solveh_banded(band.reshape(13, -1), gradient.ravel(), lower=True).reshape(frames, 6)
