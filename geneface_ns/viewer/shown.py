"""The panel's folder "How it is shown": all that a `Look` says, and what takes it along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import viser
from scipy.spatial.transform import Rotation

from geneface_ns.viewer.picture import Backdrop, Layer, Look, Pose, View, backdrop_of
from geneface_ns.viewer.stage import Stage

Background = Literal["as filmed", "colour", "picture"]


class ShownControls:
    """The folder of one browser."""

    def __init__(self, stage: Stage, client: viser.ClientHandle, order: float) -> None:
        self._stage, self._client = stage, client
        self._picture: Backdrop | None = None
        gui = client.gui
        with gui.add_folder("How it is shown", order=order, expand_by_default=False):
            self._pose = gui.add_dropdown("Head", get_args(Pose), "as filmed")
            self._held = gui.add_slider("Held as in frame", 0, len(stage.person) - 1, 1, 0, visible=False)
            self._mouth = gui.add_slider("Mouth", 0.0, 2.0, 0.05, 1.0)
            self._blinks = gui.add_checkbox("Blinks", True)
            self._layer = gui.add_dropdown("Layer", get_args(Layer), "everything")
            self._background = gui.add_dropdown("Background", get_args(Background)[:2], "as filmed")
            self._colour = gui.add_rgb("Colour", (0, 177, 64), visible=False)
            self.upload = gui.add_upload_button("Upload background picture", mime_type="image/*")
            self._landmarks = gui.add_checkbox("Landmarks", False)
            self._beside = gui.add_checkbox("Real frame", False)
            self.video = gui.add_button("Export as video")
            self.path = gui.add_button(
                "Export camera path", hint="For ns-render and geneface render, as geneface camera-path writes it"
            )

    def listen(self, changed: Callable[[Look], None]) -> None:
        """Have `changed` called with each look from now on."""
        self._changed = changed
        controls = (self._pose, self._held, self._mouth, self._blinks, self._layer, self._background, self._colour)
        for element in (*controls, self._landmarks, self._beside):
            element.on_update(lambda _: self._change())
        self._client.camera.on_update(lambda _: self._change())

    def put_behind(self, picture: Backdrop) -> None:
        """Show a picture behind the person, which can be chosen from now on."""
        self._picture = picture
        self._background.options = get_args(Background)
        self._background.value = "picture"
        self._change()

    def _change(self) -> None:
        self._colour.visible = self._background.value == "colour"
        self._held.visible = self._pose.value != "as filmed"
        free = self._pose.value == "free camera"
        self._changed(
            Look(
                self._stage.renderer.camera.size,
                self._pose.value,
                self._held.value,
                view_of(self._client.camera, self._stage.scale) if free else None,
                self._layer.value,
                self._behind(),
                self._mouth.value,
                self._blinks.value,
                self._landmarks.value,
                self._beside.value,
            )
        )

    def _behind(self) -> Backdrop | None:
        if self._background.value == "colour":
            red, green, blue = self._colour.value
            return backdrop_of(f"#{red:02x}{green:02x}{blue:02x}", self._stage.renderer.camera.size)
        return self._picture if self._background.value == "picture" else None


def view_of(camera: viser.CameraHandle, scale: float) -> View:
    """Where a browser's camera stands; viser's looks along +z with y down."""
    c2w = np.eye(4)
    c2w[:3, :3] = Rotation.from_quat(np.roll(camera.wxyz, -1)).as_matrix() * (1, -1, -1)
    c2w[:3, 3] = np.asarray(camera.position) / scale
    return View(tuple(c2w.ravel().tolist()), float(camera.fov), round(float(camera.aspect), 3))
