"""geneface in nerfstudio's viewer: where it begins, and what it shows where there is no picture."""

from __future__ import annotations

import math
import textwrap
import threading

import cv2
import numpy as np
import viser
from nerfstudio.utils.rich_utils import CONSOLE
from nerfstudio.viewer.render_state_machine import RenderStateMachine
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO, Viewer
from nerfstudio.viewer.viewer_elements import ViewerControl

from geneface_ns.nerf.portrait import Portrait

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


class CaptureView(ViewerControl):
    """Puts each new viewer's camera where the capture's stood.

    nerfstudio begins somewhere near the origin, which is inside the head.
    """

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait

    def _setup(self, viewer: Viewer) -> None:
        super()._setup(viewer)
        if viewer.config.websocket_host == "127.0.0.1":
            CONSOLE.print("The viewer answers this machine only; --viewer.websocket-host 0.0.0.0 opens it to others.")
        self.viser_server.on_client_connect(self._look_at_face)

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
