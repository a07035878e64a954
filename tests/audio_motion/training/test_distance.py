import numpy as np
import pytest

from audio_motion.topology import JAW, MOUTH
from audio_motion.training.distance import coordinates, deviations, frechet_distance, motion_space


def test_frechet_distance_by_hand() -> None:
    # One coordinate: variances 9 and 4, means 1 and 0: (1 + (3 - 2)^2) / 4.
    made, true = np.array([[4.0], [-2.0]]), np.array([[2.0], [-2.0]])
    assert frechet_distance(made, true) == pytest.approx((1 + 1) / 4)
    assert frechet_distance(true, true) == pytest.approx(0.0, abs=1e-12)
    assert frechet_distance(np.zeros((2, 1)), true) == pytest.approx(1.0)  # a face at rest
    # Two coordinates, one turned by 45 degrees: (C1^1/2 C2 C1^1/2)^1/2 is C1 itself times 2.
    corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    turned = 2 * corners @ (np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2))
    assert frechet_distance(turned, corners) == pytest.approx((8 + 2 - 2 * 4) / 2)


def test_coordinates_of_a_mouth_that_moves_along_one_line() -> None:
    motion = np.zeros((4, 68, 3))
    motion[:, 66, 1] = [-3.0, -1.0, 1.0, 3.0]
    motion[:, 40, 1] = 7.0  # eyes do not count
    everywhere = np.ones(4, bool)
    space = motion_space(motion, everywhere, components=1)
    assert np.abs(space.basis).max() == pytest.approx(1.0)
    found = coordinates(space, motion, everywhere) * np.sign(space.basis.sum())
    np.testing.assert_allclose(found[:, 0], [-1.0, 1.0, 3.0], atol=1e-12)
    np.testing.assert_allclose(found[:, 1], found[0, 1])  # constant speed
    valid = np.array([True, False, True, True])
    assert len(coordinates(space, motion, valid)) == 1  # only the last frame and its predecessor are known


def test_changes_weigh_as_much_as_positions() -> None:
    motion = np.zeros((200, 68, 3))
    motion[:, MOUTH] = np.random.default_rng(0).normal(size=(200, 20, 3)).cumsum(axis=0)
    motion[:, JAW] = 0.3 * motion[:, 50:67]
    found = coordinates(motion_space(motion, np.ones(200, bool)), motion, np.ones(200, bool))
    place, change = found[:, :12].var(axis=0).sum(), found[:, 12:].var(axis=0).sum()
    assert change == pytest.approx(place, rel=0.05)


def test_liveliness_tells_a_frozen_face_from_one_that_always_does_the_same() -> None:
    alike = np.repeat(np.array([[-1.0, 1.0]]), 3, axis=0)  # three pieces of two frames
    frozen = np.repeat(np.array([[-1.0], [1.0]]), 2, axis=1)  # two pieces of two frames
    assert deviations(alike) == pytest.approx((1.0, 0.0))
    assert deviations(frozen) == pytest.approx((0.0, 1.0))
