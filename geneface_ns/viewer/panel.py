"""The panel "Talking head": what a browser's user sees and does. The same on plain viser and in nerfstudio's viewer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import get_args

import numpy as np
import viser
from scipy.spatial.transform import Rotation

from audio_motion.errors import one_line
from geneface_ns.viewer.browser import Report
from geneface_ns.viewer.host import Uploads, change_element
from geneface_ns.viewer.performance import Performance
from geneface_ns.viewer.picture import Layer, Look, Pose, View
from geneface_ns.viewer.session import OWN, Delivery, Session
from geneface_ns.viewer.stage import Stage

SPEEDS = ("0.25", "0.5", "0.75", "1", "1.5", "2")
HANDS_OFF = 0.6
"""Seconds after the user's last touch of the frame slider in which the playhead does not move it."""
_WAVE = (
    '<div id="talking-head-wave" style={{height: "56px", marginBottom: "4px"}}></div>\n\n'
    '<div id="talking-head-time" style={{fontSize: "0.75em", fontVariantNumeric: "tabular-nums"}}></div>'
)


Takes = Callable[[viser.ClientHandle, bool], None]


class Panel:
    """The panel of one browser."""

    def __init__(self, stage: Stage, client: viser.ClientHandle, takes: Takes | None = None) -> None:
        """
        Args:
            takes: where something else fills this browser's picture as well: called with whether the panel does now.
        """
        gui = self._gui = client.gui
        self._touched = 0.0
        self._lock = threading.Lock()
        self._said = ""
        with gui.add_folder("Talking head", order=-1):
            self._takes = None if takes is None else gui.add_checkbox("Show it here", False, order=-1)
            self._choice = gui.add_dropdown("Driven by", [OWN], OWN, order=0)
            upload = gui.add_upload_button("Upload speech (or motion, .npz)", order=1)
            self._play = gui.add_button("Play", order=2)
            gui.add_markdown(_WAVE, order=3)
            self._slider = gui.add_slider("Frame", 0, 1, 1, 0, order=4)
            self._speed = gui.add_dropdown("Speed", SPEEDS, "1", order=5)
            self._loop = gui.add_checkbox("Loop", False, order=6)
            self._progress = gui.add_progress_bar(0.0, visible=False, order=7)
            self._message = gui.add_markdown("", visible=False, order=8)
            self._pictures = gui.add_text("Pictures", "", disabled=True, order=9)
            with gui.add_folder("How it is spoken", order=10, expand_by_default=False):
                self._temperature = gui.add_slider("Liveliness", 0.0, 1.0, 0.05, 0.1)
                self._seed = gui.add_number("Seed", 0, min=0, max=2**31 - 1, step=1)
                self._postnet = gui.add_checkbox("Post-net", True)
                again = gui.add_button("Speak again")
            with gui.add_folder("How it is shown", order=11, expand_by_default=False):
                pose = gui.add_dropdown("Head", get_args(Pose), "as filmed")
                mouth = gui.add_slider("Mouth", 0.0, 2.0, 0.05, 1.0)
                blinks = gui.add_checkbox("Blinks", True)
                layer = gui.add_dropdown("Layer", get_args(Layer), "everything")
                background = gui.add_rgb("Background", (0, 0, 0))
                landmarks = gui.add_checkbox("Landmarks", False)
                beside = gui.add_checkbox("Real frame", False)
                export = gui.add_button("Export as video")
        self._playing = False
        self.session = Session(stage, client, self._heard, self.say, self._predicted, self._performs)
        self._uploads = Uploads(
            client, upload, stage.most_bytes, self._uploaded, lambda why: self.say(f"upload: {why}")
        )
        self._choice.options = self.session.choices
        self._choice.on_update(self._chosen)
        again.on_click(lambda _: self._again())
        export.on_click(
            lambda _: self.session.export(lambda path: client.send_file_download("talking-head.mp4", path.read_bytes()))
        )

        def look() -> None:
            self.session.player.change(
                Look(
                    stage.renderer.camera.size,
                    pose.value,
                    view_of(client.camera, stage.scale) if pose.value == "free camera" else None,
                    layer.value,
                    background.value,
                    mouth.value,
                    blinks.value,
                    landmarks.value,
                    beside.value,
                )
            )

        for element in (pose, mouth, blinks, layer, background, landmarks, beside):
            element.on_update(lambda _: look())
        client.camera.on_update(lambda _: look())
        self._play.on_click(lambda _: self._press())
        self._slider.on_update(self._slid)
        if self._takes is not None and takes is not None:
            self.session.player.activate(False)

            def take(event: viser.GuiEvent) -> None:
                takes(client, event.target.value)
                self.session.player.activate(event.target.value)

            self._takes.on_update(take)  # one function: where the server sets the value, viser calls the last one alone
        self._speed.on_update(lambda event: self.session.browser.rate(float(event.target.value)))
        self._loop.on_update(lambda event: self.session.browser.loop(bool(event.target.value)))
        self.session.choose(OWN)

    def say(self, message: str) -> None:
        """Show a message in the panel, or none; whatever is in it is shown as it is."""
        with self._lock:
            if message == self._said:
                return
            self._said = message
        self._message.content = f"**{plain(message)}**" if message else ""
        self._message.visible = bool(message)

    def close(self) -> None:
        """The browser is gone."""
        self._uploads.close()
        self.session.close()

    def _press(self) -> None:
        self._appear()
        self.session.browser.toggle()

    def _appear(self) -> None:
        if self._takes is not None and not self._takes.value:
            self._takes.value = True

    def _chosen(self, event: viser.GuiEvent) -> None:
        if event.client is not None:
            self.session.choose(event.target.value)

    def _again(self) -> None:
        self.session.delivery = Delivery(int(self._seed.value), float(self._temperature.value), self._postnet.value)
        self.session.choose(self.session.choice)

    def _uploaded(self, name: str, content: bytes) -> None:
        choice = self.session.add_file(name, content)
        self._choice.options = self.session.choices
        self._choice.value = choice
        self.session.choose(choice)

    def _performs(self, performance: Performance) -> None:
        change_element(self._slider, max=max(performance.total - 1, 1))

    def _slid(self, event: viser.GuiEvent) -> None:
        performance = self.session.performance
        if event.client is None or performance is None:
            return
        self._touched = time.monotonic()
        self._appear()
        index = min(int(event.target.value), performance.total - 1)
        self.session.browser.seek((index + 0.5) / performance.fps)
        self.session.player.wake()

    def _heard(self, report: Report) -> None:
        performance, slider = self.session.performance, self._slider
        if report.playing != self._playing:
            self._playing = report.playing
            change_element(self._play, label="Pause" if report.playing else "Play")
        if report.note:
            self.say(f"the browser does not play the sound ({report.note}); press Play again")
        if performance is None:
            return
        index = performance.index_at(self.session.browser.position())
        if slider.value != index and time.monotonic() - self._touched > HANDS_OFF:
            slider.value = index
        said = f"{report.rate_shown:.0f} a second, {100 * self.session.player.ready:.0f} % at hand"
        if self._pictures.value != said:
            self._pictures.value = said

    def _predicted(self, part: float) -> None:
        shown = part < 1.0
        self._progress.value = 100 * part
        if self._progress.visible != shown:
            self._progress.visible = shown


def view_of(camera: viser.CameraHandle, scale: float) -> View:
    """Where a browser's camera stands; viser's looks along +z with y down."""
    c2w = np.eye(4)
    c2w[:3, :3] = Rotation.from_quat(np.roll(camera.wxyz, -1)).as_matrix() * (1, -1, -1)
    c2w[:3, 3] = np.asarray(camera.position) / scale
    return View(tuple(c2w.ravel().tolist()), float(camera.fov), round(float(camera.aspect), 3))


def plain(text: str) -> str:
    """Text as MDX that shows it letter by letter: names of files may hold markup, and MDX would run it."""
    return "".join(letter if letter.isalnum() or letter in " .," else f"&#{ord(letter)};" for letter in one_line(text))
