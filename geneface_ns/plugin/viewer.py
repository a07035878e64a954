"""How nerfstudio's viewer begins: where the capture's camera stood, looking at the face."""

from __future__ import annotations

import math

import viser
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO, Viewer
from nerfstudio.viewer.viewer_elements import ViewerControl

from geneface_ns.nerf.portrait import Portrait


class CaptureView(ViewerControl):
    """Puts each new viewer's camera where the capture's stood.

    nerfstudio begins somewhere near the origin, which is inside the head.
    """

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait

    def _setup(self, viewer: Viewer) -> None:
        super()._setup(viewer)
        # Its depth picture costs more than the head does, and there is nothing in the scene to hide.
        viewer.control_panel._layer_depth.value = False
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
