"""A rigid head of exactly known shape and motion, seen by an exact camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_motion.topology import TEMPLATE
from audio_motion.tracking.geometry import FLIP, Pinhole, rotation_from_vector, to_c2w

SIZE = (512, 512)
FPS = 25.0


@dataclass
class Clip:
    """Points of `shape` (head frame) under known poses."""

    shape: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    camera: Pinhole
    points: np.ndarray
    meshes: np.ndarray

    @property
    def c2w(self) -> np.ndarray:
        return to_c2w(self.rotation, self.translation)


def moving_head(frames: int = 100, fl: float = 1500.0, noise: float = 0.0, mouth: bool = False) -> Clip:
    """The template turning by up to 12 degrees of yaw, 8 of pitch and 5 of roll; with `mouth`, its lower lip and chin
    drop by up to 0.15 face widths, three times a second."""
    time = np.arange(frames) / FPS
    angles = np.radians([8, 12, 5]) * np.stack(
        [np.sin(2.1 * time), np.sin(1.3 * time + 0.5), np.sin(0.9 * time + 1)], axis=-1
    )
    rotation = rotation_from_vector(angles) @ FLIP
    distance = fl / 230
    translation = np.stack(
        [0.1 * np.sin(time), 0.05 * np.cos(1.7 * time), distance + 0.2 * np.sin(0.7 * time)], axis=-1
    )
    shape = np.tile(TEMPLATE.astype(np.float64), (frames, 1, 1))
    if mouth:
        drop = 0.075 * (1 - np.cos(2 * np.pi * 3 * time))
        shape[:, [*range(5, 12), *range(55, 60), 65, 66, 67], 1] -= drop[:, None]
    camera = Pinhole(fl, SIZE[0] / 2, SIZE[1] / 2)
    in_camera = shape @ np.swapaxes(rotation, 1, 2) + translation[:, None]
    points = camera.project(in_camera) + np.random.default_rng(0).normal(0, noise, (frames, 68, 2)) * (noise > 0)
    # What detectors give as depth: relative, in pixels at weak perspective.
    depth = (in_camera[..., 2:] - in_camera[..., 2:].mean(axis=1, keepdims=True)) * fl / distance
    return Clip(shape, rotation, translation, camera, points, np.concatenate([points, depth], axis=-1))


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between rotation matrices [..., 3, 3]."""
    trace = np.trace(np.swapaxes(a, -1, -2) @ b, axis1=-2, axis2=-1)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
