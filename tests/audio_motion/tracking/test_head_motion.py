"""Angles and jumps of heads whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from audio_motion.tracking.head_motion import angles, first_jump


def test_a_jump_of_the_face_is_a_cut_and_a_nod_is_not() -> None:
    face = np.random.default_rng(0).uniform(0, 100, (68, 2))
    face[0], face[16] = (0, 50), (100, 50)
    path = np.stack([face + np.array([0, 5 * np.sin(i / 3)]) for i in range(40)])
    valid = np.ones(40, bool)
    assert first_jump(path, valid, 25) is None
    path[25:, :, 0] += 60  # more than 0.45 of the face's 100 px
    assert first_jump(path, valid, 25) == 25


def test_angles_of_known_turns() -> None:
    def turned(axis: int, degrees: float) -> np.ndarray:
        vector = np.zeros(3)
        vector[axis] = np.radians(degrees)
        c2w = np.eye(4)
        c2w[:3, :3] = cv2.Rodrigues(vector)[0].T  # the head turns, the camera the other way
        return c2w

    assert angles(turned(1, 20)[None])[0] == pytest.approx([20, 0, 0])
    assert angles(turned(0, -10)[None])[0] == pytest.approx([0, 10, 0])
    assert angles(turned(2, -5)[None])[0] == pytest.approx([0, 0, 5])
