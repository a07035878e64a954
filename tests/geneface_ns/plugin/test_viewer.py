"""Where the viewer begins."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.plugin.viewer import CaptureView
from tests.geneface_ns.fakes import make_capture


def test_a_new_viewer_looks_at_the_face_from_the_captures_camera(tmp_path: Path):
    capture = load_capture(make_capture(tmp_path / "anna", frames=11))
    view = CaptureView(Portrait(capture, 1, PortraitConfig(sample_step=0.1, occupancy_resolution=8)))
    hidden: list[bool] = []
    view.viewer = SimpleNamespace(
        hide_images=SimpleNamespace(visible=True),
        camera_handles={},
        set_camera_visibility=hidden.append,
        toggle_cameravis_button=lambda: None,
    )
    client = SimpleNamespace(camera=SimpleNamespace())
    view._look_at_face(client)
    camera = client.camera
    # The head is 3 units away, and nerfstudio's viewer shows units as tens.
    assert np.linalg.norm(camera.position) == pytest.approx(30)
    np.testing.assert_allclose(camera.look_at, 0, atol=1e-4)
    np.testing.assert_allclose(camera.position, capture.c2w[0, :3, 3] * 10, rtol=1e-6)
    assert camera.fov == pytest.approx(2 * np.arctan(16 / 100))
    assert hidden == [False]
