"""Rotations and the pinhole camera that tracking works in.

Inside tracking a camera is (rotation, translation) from the head's frame to the camera's, whose axes are x right,
y down, z away: the picture's own. `to_c2w` turns the result into the convention of docs/conventions.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLIP = np.diag([1.0, -1.0, -1.0])
"""Between the picture's camera axes (y down, z away) and nerfstudio's (y up, z towards the viewer)."""


@dataclass(frozen=True)
class Pinhole:
    """One camera for all frames, in pixels."""

    fl: float
    cx: float
    cy: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera coordinates [..., 3] -> pixels [..., 2]."""
        return points[..., :2] / points[..., 2:] * self.fl + (self.cx, self.cy)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Derivative of `project` with respect to camera coordinates: [..., 3] -> [..., 2, 3]."""
        x, y, z = np.moveaxis(points, -1, 0)
        result = np.zeros((*points.shape[:-1], 2, 3))
        result[..., 0, 0] = result[..., 1, 1] = self.fl / z
        result[..., 0, 2] = -self.fl * x / z**2
        result[..., 1, 2] = -self.fl * y / z**2
        return result


def rotation_from_vector(vector: np.ndarray) -> np.ndarray:
    """Axis times angle (radians) [..., 3] -> rotation matrix [..., 3, 3] (Rodrigues' formula)."""
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    safe = np.where(angle > 1e-12, angle, 1.0)
    k = cross_matrix(vector)
    sine = np.where(angle > 1e-12, np.sin(angle) / safe, 1.0)
    cosine = np.where(angle > 1e-6, (1 - np.cos(angle)) / safe**2, 0.5)
    return np.eye(3) + sine * k + cosine * (k @ k)


def vector_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """Inverse of `rotation_from_vector`, for angles below pi."""
    from scipy.spatial.transform import Rotation

    flat = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_rotvec()
    return flat.reshape(*rotation.shape[:-2], 3)


def cross_matrix(vector: np.ndarray) -> np.ndarray:
    """[..., 3] -> [..., 3, 3] such that cross_matrix(a) @ b = a x b."""
    x, y, z = np.moveaxis(np.asarray(vector, float), -1, 0)
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)


def to_c2w(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Head to camera (picture's axes) [T, 3, 3], [T, 3] -> nerfstudio's camera to head, float64 [T, 4, 4]."""
    c2w = np.tile(np.eye(4), (len(rotation), 1, 1))
    back = np.swapaxes(rotation, -1, -2)
    c2w[:, :3, :3] = back @ FLIP
    c2w[:, :3, 3] = -(back @ translation[..., None])[..., 0]
    return c2w


def from_c2w(c2w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `to_c2w`."""
    rotation = np.swapaxes(c2w[..., :3, :3] @ FLIP, -1, -2)
    return rotation, -(rotation @ c2w[..., :3, 3:])[..., 0]


def fill_gaps(rotation: np.ndarray, translation: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replace the poses of invalid frames: slerp and linear between valid neighbours, constant beyond the ends."""
    from scipy.spatial.transform import Rotation, Slerp

    known = np.flatnonzero(valid)
    if len(known) == len(valid):
        return rotation, translation
    at = np.clip(np.arange(len(valid)), known[0], known[-1])
    if len(known) == 1:
        return np.repeat(rotation[known], len(valid), 0), np.repeat(translation[known], len(valid), 0)
    turned = Slerp(known, Rotation.from_matrix(rotation[known]))(at).as_matrix()
    moved = np.stack([np.interp(at, known, translation[known, i]) for i in range(3)], axis=-1)
    return turned, moved


def fill_linear(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Replace the rows of invalid frames in [T, ...] linearly between valid neighbours, constant beyond the ends."""
    known = np.flatnonzero(valid)
    if len(known) == len(valid):
        return values
    position = np.interp(np.arange(len(valid)), known, np.arange(len(known)))
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(known) - 1)
    weight = (position - low).reshape(-1, *[1] * (values.ndim - 1))
    return (values[known[low]] * (1 - weight) + values[known[high]] * weight).astype(values.dtype)
