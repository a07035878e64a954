"""geneface in nerfstudio's viewer: where it begins, and what it shows where there is no picture."""

from __future__ import annotations

import math
import tempfile
import textwrap
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import viser
from nerfstudio.utils.rich_utils import CONSOLE
from nerfstudio.viewer.render_state_machine import RenderStateMachine
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO, Viewer
from nerfstudio.viewer.viewer_elements import ViewerControl

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import Capture
from geneface_ns.motion.voice import voice_of
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.viewer.server import Panels
from geneface_ns.viewer.stage import Stage, once

FONT = cv2.FONT_HERSHEY_SIMPLEX
LINE = 36
"""Characters in a line of a message."""


def in_viewer() -> bool:
    """Whether it is nerfstudio's viewer that asks: its thread ends with any exception, and with it a browser's view."""
    return isinstance(threading.current_thread(), RenderStateMachine)


def message_picture(message: str, size: tuple[int, int]) -> np.ndarray:
    """A message where a picture was to be: float32 [H, W, 3] in [0, 1].

    Args:
        size: width and height, px.
    """
    width, height = size
    picture = np.full((height, width, 3), 32, np.uint8)
    scale = width / LINE / 20  # the font is about 20 px wide at 1
    lines = textwrap.wrap(message, LINE)
    for i, line in enumerate(lines):
        baseline = height / 2 + (i - (len(lines) - 1) / 2) * 40 * scale
        place = round(width * 0.04), round(baseline + 10 * scale)
        cv2.putText(picture, line, place, FONT, scale, (255,) * 3, max(1, round(2 * scale)), cv2.LINE_AA)
    return picture.astype(np.float32) / 255


class Turn:
    """A turn at the portrait between two steps of its training, for one picture."""

    def __init__(self, lock: threading.Lock, portrait: TalkingPortrait) -> None:
        self._lock, self._portrait = lock, portrait

    def __enter__(self) -> None:
        self._lock.acquire()
        self._training = self._portrait.training
        self._portrait.eval()

    def __exit__(self, *_: object) -> None:
        self._portrait.train(self._training)
        self._lock.release()


class CaptureView(ViewerControl):
    """Puts each new viewer's camera where the capture's stood, and the panel "Talking head" on top of nerfstudio's.

    nerfstudio begins somewhere near the origin, which is inside the head.
    """

    def __init__(self, portrait: TalkingPortrait, capture: Capture) -> None:
        self._portrait, self._capture = portrait, capture

    def _setup(self, viewer: Viewer) -> None:
        super()._setup(viewer)
        if viewer.config.websocket_host == "127.0.0.1":
            CONSOLE.print("The viewer answers this machine only; --viewer.websocket-host 0.0.0.0 opens it to others.")
        self.viser_server.on_client_connect(self._look_at_face)
        self._files = tempfile.TemporaryDirectory(prefix="geneface-view-", ignore_cleanup_errors=True)
        stage = Stage(
            person=self._capture,
            renderer=choose_renderer(self._portrait),
            turn=Turn(viewer.train_lock or threading.Lock(), self._portrait),
            voice=once(partial(voice_of, self._capture, "prior")),
            folder=Path(self._files.name),
            run=viewer.log_filename.parent,
            version=lambda: viewer.step,
            scale=VISER_NERFSTUDIO_SCALE_RATIO,
        )
        try:
            self._panels = Panels(self.viser_server, stage, self._take)
        except InputError as error:  # a training need not end for it
            CONSOLE.print(f"The viewer has no panel to play sound with: {error}.")

    def _take(self, client: viser.ClientHandle, taken: bool) -> None:
        """Let the panel fill a browser's picture, or nerfstudio's own thread again."""
        machine = self.viewer.render_statemachines.get(client.client_id)
        if machine is None:
            return
        if taken:
            machine.action = lambda action: None  # type: ignore[method-assign]
            machine._send_output_to_viewer = lambda *_, **__: None  # type: ignore[method-assign]
        else:
            vars(machine).pop("action", None)
            vars(machine).pop("_send_output_to_viewer", None)
            self.viewer._trigger_rerender()

    def _look_at_face(self, client: viser.ClientHandle) -> None:
        c2w = self._portrait.table.c2w[0].cpu().double().numpy()
        position = c2w[:3, 3] * VISER_NERFSTUDIO_SCALE_RATIO
        height, focal = self._portrait.camera.size[1], self._portrait.camera.focal[1]
        client.camera.up_direction = c2w[:3, 1]
        client.camera.position = position
        # The point before the camera that is nearest to the head frame's origin.
        client.camera.look_at = position - c2w[:3, 2] * (position @ c2w[:3, 2])
        client.camera.fov = 2 * math.atan(height / (2 * focal))
        if self.viewer.hide_images.visible and hasattr(self.viewer, "camera_handles"):
            # All cameras stand here: their frames and pictures would hide the face. A button shows them again.
            self.viewer.set_camera_visibility(False)
            self.viewer.toggle_cameravis_button()
