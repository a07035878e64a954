"""The panel "Talking head": what a browser's user sees and does. The same on plain viser and in nerfstudio's viewer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import viser

from audio_motion.errors import one_line
from geneface_ns.motion.voice import Voice
from geneface_ns.viewer.browser import Report
from geneface_ns.viewer.host import Uploads, change_element, element_id, keep_order
from geneface_ns.viewer.path import FILE
from geneface_ns.viewer.performance import Performance
from geneface_ns.viewer.session import OWN, Session
from geneface_ns.viewer.shown import ShownControls
from geneface_ns.viewer.spoken import Delivery, SpokenControls
from geneface_ns.viewer.stage import Stage

SPEEDS = ("0.25", "0.5", "0.75", "1", "1.5", "2")
HANDS_OFF = 0.6
"""Seconds after the user's last touch of the frame slider in which the playhead does not move it."""
RECORD = "Record speech"
LONGEST_RECORDING = 120.0
"""Seconds after which a recording ends by itself."""
SHORTER = 0.9
"""The part of what may be uploaded that may be recorded: browsers end a little late."""
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
        keep_order(client)
        gui = client.gui
        self._touched = 0.0
        self._lock = threading.Lock()
        self._said = ""
        self._troubles = ("", "")
        with gui.add_folder("Talking head", order=-1):
            self._takes = None if takes is None else gui.add_checkbox("Show it here", False, order=-1)
            self._choice = gui.add_dropdown("Driven by", [OWN], OWN, order=0)
            self._upload = gui.add_upload_button("Upload speech (or motion)", order=1)
            self._record = gui.add_button(RECORD, order=1.5)
            self._play = gui.add_button("Play", order=2)
            gui.add_markdown(_WAVE, order=3)
            self._slider = gui.add_slider("Frame", 0, 1, 1, 0, order=4)
            self._speed = gui.add_dropdown("Speed", SPEEDS, "1", order=5)
            self._loop = gui.add_checkbox("Loop", False, order=6)
            self._progress = gui.add_progress_bar(0.0, visible=False, order=7)
            self._message = gui.add_markdown("", visible=False, order=8)
            self._pictures = gui.add_text("Pictures", "", disabled=True, order=9)
            self._spoken = SpokenControls(gui, 10, lambda: self.session.choose(self.session.choice))
            shown = ShownControls(stage, client, 11)
        self._labels: dict[str, str] = {}
        self.session = Session(stage, client, self)
        shown.listen(self.session.player.change)
        self._uploads = Uploads(
            client,
            [
                (self._upload, self._uploaded),
                (shown.upload, lambda name, content: self.session.add_picture(name, content, shown.put_behind)),
            ],
            stage.most_bytes,
            lambda why: self.say(f"upload: {why}"),
        )
        self._choice.options = self.session.choices
        self._choice.on_update(self._chosen)
        longest = min(LONGEST_RECORDING, SHORTER * stage.most_seconds)
        self._record.on_click(lambda _: self.session.browser.record(self._upload, longest))
        shown.video.on_click(
            lambda _: self.session.export(lambda path: client.send_file_download("talking-head.mp4", path.read_bytes()))
        )
        shown.path.on_click(lambda _: self.session.export_path(lambda data: client.send_file_download(FILE, data)))
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
        self.session.browser.open()
        self.session.choose(OWN)

    def say(self, message: str) -> None:
        """Show a message in the panel, or none; whatever is in it is shown as it is."""
        with self._lock:
            if message == self._said:
                return
            self._said = message
        self._message.content = f"**{plain(message)}**" if message else ""
        self._message.visible = bool(message)

    @property
    def delivery(self) -> Delivery:
        """How speech shall be performed."""
        return self._spoken.delivery

    def progress(self, part: float) -> None:
        """Show how far a prediction or an export is."""
        shown = part < 1.0
        self._progress.value = 100 * part
        if self._progress.visible != shown:
            self._progress.visible = shown

    def heard(self, report: Report) -> None:
        """Show what the page says of itself."""
        performance, slider = self.session.performance, self._slider
        self._relabel(self._play, "Pause" if report.playing else "Play")
        recorded = report.recorded
        self._relabel(self._record, RECORD if recorded is None else f"Stop recording ({recorded:.0f} s)")
        troubles = why_silent(report.note), why_not_recorded(report.microphone)
        if troubles != self._troubles:
            self._troubles = troubles
            self.say(" ".join(filter(None, troubles)))
        if performance is None:
            return
        index = performance.index_at(self.session.browser.position())
        if slider.value != index and time.monotonic() - self._touched > HANDS_OFF:
            slider.value = index
        said = f"{report.rate_shown:.0f} a second, {100 * self.session.player.ready:.0f} % at hand"
        if self._pictures.value != said:
            self._pictures.value = said

    def speaks_with(self, voice: Voice) -> None:
        """Offer what that voice can do."""
        self._spoken.speaks_with(voice)

    def performs(self, performance: Performance) -> None:
        """Offer what can be done with another performance."""
        change_element(self._slider, max=max(performance.total - 1, 1))
        self._spoken.performs(performance.spoken)

    def close(self) -> None:
        """The browser is gone."""
        self._uploads.close()
        self.session.close()

    def _relabel(self, button: viser.GuiButtonHandle, label: str) -> None:
        if self._labels.get(element_id(button)) != label:
            self._labels[element_id(button)] = label
            change_element(button, label=label)

    def _press(self) -> None:
        self._appear()
        self.session.browser.toggle()

    def _appear(self) -> None:
        if self._takes is not None and not self._takes.value:
            self._takes.value = True

    def _chosen(self, event: viser.GuiEvent) -> None:
        if event.client is not None:
            self.session.choose(event.target.value)

    def _uploaded(self, name: str, content: bytes) -> None:
        choice = self.session.add_file(name, content)
        self._choice.options = self.session.choices
        self._choice.value = choice
        self.session.choose(choice)

    def _slid(self, event: viser.GuiEvent) -> None:
        performance = self.session.performance
        if event.client is None or performance is None:
            return
        self._touched = time.monotonic()
        self._appear()
        index = min(int(event.target.value), performance.total - 1)
        self.session.browser.seek((index + 0.5) / performance.fps)
        self.session.player.wake()


def why_silent(reason: str) -> str:
    """What a browser's user is told that hears nothing."""
    if not reason:
        return ""
    if reason == "NotAllowedError":  # sound may only begin with a click, and this one was lost on the way
        return "the browser does not play the sound yet; press Play again"
    return f"this browser cannot play the sound ({reason}); move the frame slider, or use another browser"


def why_not_recorded(reason: str) -> str:
    """What a browser's user is told that wanted to record."""
    if not reason:
        return ""
    known = {
        "NotAllowedError": "the browser does not let this page use the microphone; allow it beside the address",
        "NotFoundError": "the browser finds no microphone; connect one",
        "NoRecorder": "this browser does not record in this page; try another one, at localhost or by https",
    }
    why = known.get(reason, f"the microphone cannot be recorded ({reason}); try another browser")
    return f"{why}, or upload a file"


def plain(text: str) -> str:
    """Text as MDX that shows it letter by letter: names of files may hold markup, and MDX would run it."""
    return "".join(letter if letter.isalnum() or letter in " .," else f"&#{ord(letter)};" for letter in one_line(text))
