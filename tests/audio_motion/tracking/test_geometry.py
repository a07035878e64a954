"""Rotations, cameras and gap filling."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audio_motion.tracking.geometry import (
    Pinhole,
    fill_gaps,
    fill_linear,
    from_c2w,
    rotation_from_vector,
    to_c2w,
    vector_from_rotation,
)
from audio_motion.tracking.shape import moved, pose_jacobian

angles = st.tuples(*[st.floats(-1.7, 1.7)] * 3)


@given(angles)
def test_rotation_and_vector_are_inverse(vector):
    rotation = rotation_from_vector(np.array(vector))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(vector_from_rotation(rotation), vector, atol=1e-7)


@given(angles, st.tuples(*[st.floats(-10, 10)] * 3))
def test_camera_conventions_are_inverse(vector, translation):
    rotation, translation = rotation_from_vector(np.array([vector])), np.array([translation])
    back = from_c2w(to_c2w(rotation, translation))
    np.testing.assert_allclose(back[0], rotation, atol=1e-12)
    np.testing.assert_allclose(back[1], translation, atol=1e-9)


def test_camera_of_the_convention():
    """A camera 5 units before the face, unturned: nerfstudio's identity; a point above projects above the centre."""
    c2w = np.eye(4)[None]
    c2w[0, 2, 3] = 5
    rotation, translation = from_c2w(c2w)
    camera = Pinhole(1000, 256, 256)
    pixel = camera.project(rotation[0] @ [0.5, 1.0, 0.0] + translation[0])
    np.testing.assert_allclose(pixel, [256 + 100, 256 - 200])


@given(angles, st.tuples(*[st.floats(-1, 1)] * 6))
def test_pose_jacobian_is_the_derivative(vector, direction):
    rotation, translation = rotation_from_vector(np.array([vector])), np.array([[0.1, -0.2, 6.0]])
    point, camera = np.array([0.3, -0.4, 0.2]), Pinhole(1500, 256, 256)

    def seen(step: float) -> np.ndarray:
        r, t = moved(rotation, translation, step * np.array([direction]))
        return camera.project(r[0] @ point + t[0])

    turned = rotation[0] @ point
    analytic = pose_jacobian(camera.jacobian(turned + translation[0]), turned) @ direction
    np.testing.assert_allclose((seen(1e-5) - seen(-1e-5)) / 2e-5, analytic, atol=1e-3)


def test_gaps_fill_between_and_beyond():
    rotation = rotation_from_vector(np.radians([[0, 0, 0], [0, 99, 0], [0, 99, 0], [0, 30, 0], [0, 0, 0]]))
    translation = np.arange(5.0)[:, None] * [1, 2, 3]
    valid = np.array([True, False, False, True, False])
    turned, shifted = fill_gaps(rotation, translation, valid)
    np.testing.assert_allclose(np.degrees(vector_from_rotation(turned))[:, 1], [0, 10, 20, 30, 30], atol=1e-9)
    np.testing.assert_allclose(shifted[:, 0], [0, 1, 2, 3, 3])
    np.testing.assert_allclose(fill_linear(np.array([[1.0], [9], [9], [4], [9]]), valid)[:, 0], [1, 2, 3, 4, 4])
