"""geneface in nerfstudio's viewer: a real viewer and its render thread, before a made-up browser."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.viewer.render_state_machine import RenderAction, RenderStateMachine
from nerfstudio.viewer.viewer import Viewer

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.plugin import portrait_model
from geneface_ns.plugin.model import GeneFaceModelConfig
from geneface_ns.plugin.viewer import CaptureView, in_viewer, message_picture
from geneface_ns.viewer import host
from tests.geneface_ns.fakes import make_capture


def test_a_new_viewer_looks_at_the_face_from_the_captures_camera(tmp_path: Path):
    capture = load_capture(make_capture(tmp_path / "anna", frames=11))
    view = CaptureView(Portrait(capture, 1, PortraitConfig(sample_step=0.1, occupancy_resolution=8)), capture)
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


class Browser:
    """What a render thread asks of a viser client; keeps the pictures it was sent."""

    client_id = 0

    def __init__(self) -> None:
        self.camera = SimpleNamespace(
            wxyz=np.array([0.0, 1.0, 0.0, 0.0]), position=np.array([0.0, 0.0, 30.0]), fov=0.4, aspect=1.0
        )
        self.pictures: list[np.ndarray] = []
        self.scene = SimpleNamespace(set_background_image=lambda image, **_: self.pictures.append(image))


class Pipeline(torch.nn.Module):
    """The parts of a nerfstudio pipeline that its viewer looks at."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.datamanager = SimpleNamespace(includes_time=True)


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Viewer]:
    capture = load_capture(make_capture(tmp_path / "anna", frames=11))
    config = GeneFaceModelConfig(sample_step=0.1, occupancy_resolution=8)
    box = SceneBox(aabb=torch.from_numpy(capture.head_box))
    model = config.setup(scene_box=box, num_train_data=10, metadata={"capture": capture, "downscale": 1})
    viewer = Viewer(
        ViewerConfig(websocket_host="127.0.0.1", default_composite_depth=False),
        tmp_path / "log.txt",
        tmp_path,
        Pipeline(model),  # type: ignore[arg-type]
        train_lock=threading.Lock(),
    )
    viewer.control_panel._max_res.value = 64
    yield viewer
    viewer.viser_server.stop()


def next_picture(viewer: Viewer, machine: RenderStateMachine, browser: Browser) -> np.ndarray:
    """What the browser is shown after the user changed something."""
    browser.pictures.clear()
    machine.action(RenderAction("move", viewer.get_camera_state(browser)))  # type: ignore[arg-type]
    deadline = time.monotonic() + 60
    while not browser.pictures:
        assert machine.is_alive(), "this browser gets no picture any more"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return browser.pictures[-1]


def is_message(picture: np.ndarray) -> bool:
    """Light letters on one dark grey, up to the picture's edge."""
    return set(np.unique(picture[:2])) == {32} and picture.max() > 60


def test_a_camera_that_cannot_be_rendered_is_said_in_the_picture_and_the_viewer_goes_on(viewer: Viewer):
    browser, tab = Browser(), viewer.render_tab_state
    machine = RenderStateMachine(viewer, 10, browser)  # type: ignore[arg-type]
    machine.start()
    assert not is_message(next_picture(viewer, machine, browser))
    tab.preview_render, tab.preview_fov, tab.preview_aspect, tab.preview_time = True, 0.4, 1.0, 0.0
    for kind in ("Fisheye", "Equirectangular"):
        tab.preview_camera_type = kind  # type: ignore[assignment]
        assert is_message(next_picture(viewer, machine, browser)), kind
    tab.preview_camera_type = "Perspective"
    assert not is_message(next_picture(viewer, machine, browser))
    viewer.control_panel.crop_viewport = True
    assert is_message(next_picture(viewer, machine, browser))
    viewer.control_panel.crop_viewport = False
    assert not is_message(next_picture(viewer, machine, browser))
    machine.running = False
    machine.join(60)  # Python must not end while it renders
    assert not machine.is_alive()


def test_the_thread_would_end_with_the_error(viewer: Viewer, monkeypatch: pytest.MonkeyPatch):
    # Why the message takes the picture's place: nerfstudio's thread ends with anything that is raised in it.
    monkeypatch.setattr(portrait_model, "in_viewer", lambda: False)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    browser = Browser()
    machine = RenderStateMachine(viewer, 10, browser)  # type: ignore[arg-type]
    viewer.control_panel.crop_viewport = True
    machine.start()
    with pytest.raises(AssertionError, match="no picture any more"):
        next_picture(viewer, machine, browser)


def test_elsewhere_nobody_is_shown_a_message_for_a_picture():
    assert not in_viewer()


def test_a_message_is_readable_and_whole_at_any_size():
    for size in ((1024, 1024), (1024, 300), (64, 48), (7, 5)):
        picture = message_picture("geneface renders perspective cameras only; choose that camera type", size)
        assert picture.shape == (size[1], size[0], 3)
        assert picture.dtype == np.float32
    letters = message_picture("geneface renders perspective cameras only; choose that camera type", (1024, 1024)) > 0.5
    assert letters.any()
    assert not letters[:, -8:].any(), "lines end before the picture does"


def test_the_viewer_says_who_can_reach_it(viewer: Viewer, capsys: pytest.CaptureFixture[str]):
    view = viewer.pipeline.model.view
    capsys.readouterr()
    view._setup(viewer)
    assert "--viewer.websocket-host 0.0.0.0" in " ".join(capsys.readouterr().out.split())
    viewer.config.websocket_host = "0.0.0.0"  # nerfstudio's own line says that
    view._setup(viewer)
    assert "websocket-host" not in capsys.readouterr().out


def test_a_viser_that_cannot_play_sound_is_said_and_the_viewer_goes_on(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(host, "_NEEDED", (*host._NEEDED, "MessageOfAnotherViser"))
    viewer.pipeline.model.view._setup(viewer)
    said = " ".join(capsys.readouterr().out.split())
    assert "no panel to play sound with" in said
    assert "has no MessageOfAnotherViser; install viser 0.2.7" in said
    browser = Browser()
    machine = RenderStateMachine(viewer, 10, browser)  # type: ignore[arg-type]
    machine.start()
    assert not is_message(next_picture(viewer, machine, browser))
    machine.running = False
    machine.join(60)  # Python must not end while it renders
    assert not machine.is_alive()
