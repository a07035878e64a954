"""Pose vectors, affine motion and the torso's plane."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from geneface_ns.scene.camera import pinhole_directions, project_to_capture
from geneface_ns.scene.pose import body_in_image_units, invert_affine, rotation_to_vector

ANGLE = st.floats(-1.2, 1.2)


@given(ANGLE, ANGLE, ANGLE)
def test_rotation_vector_agrees_with_scipy(x: float, y: float, z: float):
    matrix = Rotation.from_rotvec([x, y, z]).as_matrix()
    vector = rotation_to_vector(torch.from_numpy(matrix)[None])[0]
    np.testing.assert_allclose(vector, [x, y, z], atol=1e-5)


def test_body_in_image_units():
    # In a 200 x 100 picture 20 px right and 10 px down are 0.2 and 0.2; doubling about the corner moves the middle.
    still = torch.tensor([[[1.0, 0.0, 20.0], [0.0, 1.0, 10.0]]])
    torch.testing.assert_close(body_in_image_units(still, 200, 100), torch.tensor([[[1.0, 0.0, 0.2], [0.0, 1.0, 0.2]]]))
    double = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]])
    torch.testing.assert_close(
        body_in_image_units(double, 200, 100), torch.tensor([[[2.0, 0.0, 1.0], [0.0, 2.0, 1.0]]])
    )


def test_invert_affine():
    affine = torch.tensor([[[0.9, 0.1, 0.3], [-0.2, 1.1, -0.4]]])
    point = torch.tensor([0.5, -0.7])
    there = affine[0, :, :2] @ point + affine[0, :, 2]
    back = invert_affine(affine)[0]
    torch.testing.assert_close(back[:, :2] @ there + back[:, 2], point)


def test_the_capture_camera_sees_its_own_picture():
    c2w = torch.eye(4)
    c2w[:3, :3] = torch.from_numpy(Rotation.from_rotvec([0.1, -0.2, 0.05]).as_matrix())
    c2w[:3, 3] = c2w[:3, :3] @ torch.tensor([0.1, 0.2, 5.0])
    pixels = torch.tensor([[10.5, 20.5], [63.5, 0.5]])
    directions = pinhole_directions(pixels, (80.0, 80.0), (32.0, 32.0)) @ c2w[:3, :3].T
    origins = c2w[:3, 3].expand(2, 3)
    seen = project_to_capture(origins, directions, c2w, torch.tensor([80.0, 80.0]), torch.tensor([32.0, 32.0]))
    torch.testing.assert_close(seen, pixels, atol=1e-3, rtol=0)
    # Looking the other way it meets nothing.
    away = project_to_capture(origins, -directions, c2w, torch.tensor([80.0, 80.0]), torch.tensor([32.0, 32.0]))
    assert (away > 100).all()
