"""How the head turns, and where a clip jumps to another shot."""

from __future__ import annotations

import numpy as np

JUMP = 0.45
"""Face widths that a face cannot move, and GROWTH the factor it cannot grow, from one frame to the next at 25 fps."""
GROWTH = 1.3


def angles(c2w: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll of the head in degrees from poses [T, 4, 4]: [T, 3].

    Positive: turned to the image's right, looking up, tilted clockwise in the image.
    """
    forward, up = c2w[:, 2, :3], c2w[:, 1, :3]  # the head's +z and +y, in the camera's frame
    yaw = np.arctan2(forward[:, 0], forward[:, 2])
    pitch = np.arcsin(np.clip(forward[:, 1], -1, 1))
    roll = np.arctan2(up[:, 0], up[:, 1])
    return np.degrees(np.stack([yaw, pitch, roll], axis=1))


def first_jump(points: np.ndarray, valid: np.ndarray, fps: float) -> int | None:
    """The first of `jumps`, None where there is none."""
    return next(map(int, jumps(points, valid, fps)), None)


def jumps(points: np.ndarray, valid: np.ndarray, fps: float) -> np.ndarray:
    """The frames, int [N], whose landmarks [T, 68, 2] are somewhere else than those of the frame before."""
    width = np.linalg.norm(points[:, 16] - points[:, 0], axis=-1)
    size = np.sqrt(((points - points.mean(axis=1, keepdims=True)) ** 2).sum(axis=-1).mean(axis=-1))
    moved = np.linalg.norm(np.diff(points.mean(axis=1), axis=0), axis=-1) / np.maximum(np.median(width), 1)
    grown = np.abs(np.diff(np.log(np.maximum(size, 1))))
    slow = max(1.0, 25 / fps)
    jumped = ((moved > JUMP * slow) | (grown > np.log(GROWTH) * slow)) & valid[1:] & valid[:-1]
    return np.flatnonzero(jumped) + 1
