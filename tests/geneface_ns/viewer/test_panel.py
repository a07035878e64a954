"""What the panel offers beside playing, before a real browser: the microphone, how speech is spoken, the camera path.

The head has learnt nothing: none of this depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.geneface_ns.commands.test_cli import geneface
from tests.geneface_ns.output.test_video import write_wav
from tests.geneface_ns.viewer.browsers import MICROPHONE, Server, Viewer, chromium, launched, until
from tests.geneface_ns.viewer.tiny import untrained_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LONGEST = 3
"""Seconds that the server takes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel")
    untrained_run(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*MICROPHONE) as found:
        yield found


@pytest.fixture(scope="module")
def server(browser: Browser, place: Path) -> Iterator[Server]:
    served = Server(place / "run", place, "--most-seconds", LONGEST)
    yield served
    assert served.end() == 130
    assert "Traceback" not in served.log, served.log


@pytest.fixture(scope="module")
def viewer(browser: Browser, server: Server) -> Iterator[Viewer]:
    """A page that may use the microphone."""
    opened = Viewer(browser, server.address, permissions=("microphone",))
    yield opened
    assert opened.errors == []


def test_a_recording_is_a_speech_like_any_other(viewer: Viewer) -> None:
    viewer.click("Record speech")
    viewer.click("Stop recording (1 s)")
    viewer.wait(lambda: "recording (" in viewer.chosen("Driven by"), "the recording")
    viewer.wait(lambda: 0.5 < viewer.sound("duration") < 2.0, "its sound")
    viewer.wait(lambda: viewer.state()["shownFrame"] == 0 and viewer.can("Speak again"), "its picture")
    assert viewer.can("Record speech")
    peaks = viewer.page.evaluate(
        """async () => {
            const data = await (await fetch(document.getElementById('talking-head-sound').src)).arrayBuffer();
            return Math.max(...new Int16Array(data.slice(44)));
        }"""
    )
    assert peaks > 1000, "nothing was recorded"


def test_a_recording_ends_by_itself(viewer: Viewer) -> None:
    before = viewer.chosen("Driven by")
    viewer.click("Record speech")
    viewer.wait(lambda: viewer.chosen("Driven by") != before, "the end of the recording")
    viewer.wait(lambda: 0.8 * LONGEST < viewer.sound("duration") < LONGEST, "its sound")


def test_a_microphone_that_may_not_be_used_is_said(browser: Browser, server: Server) -> None:
    denied = Viewer(browser, server.address)
    denied.click("Record speech")
    denied.wait(lambda: "does not let this page use the microphone" in denied.text(), "the message")
    assert denied.can("Record speech")
    denied.context.close()
    without = "delete MediaDevices.prototype.getUserMedia; delete window.MediaRecorder;"
    other = Viewer(browser, server.address, permissions=("microphone",), script=without)
    other.click("Record speech")
    other.wait(lambda: "this browser does not record" in other.text(), "the message")
    assert denied.errors == other.errors == []
    other.context.close()


def test_a_machine_without_microphone_and_a_browser_without_sound_are_said(browser: Browser, server: Server) -> None:
    silent = "HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('', 'NotSupportedError'));"
    with launched(browser.browser_type) as other:
        viewer = Viewer(other, server.address, permissions=("microphone",), script=silent)
        viewer.click("Record speech")
        viewer.wait(lambda: "finds no microphone" in viewer.text(), "the message")
        viewer.click("Play")
        viewer.wait(lambda: "this browser cannot play the sound (NotSupportedError)" in viewer.text(), "the message")
        viewer.fill("Frame", 7)  # it can still be looked at
        viewer.wait(lambda: viewer.state()["shownFrame"] == 7, "the frame")
        assert viewer.errors == []


def test_the_camera_path_is_that_of_the_command(viewer: Viewer, place: Path) -> None:
    viewer.choose("Driven by", "own video")
    viewer.wait(lambda: "of 22" in viewer.time_line(), "the own video")
    assert not viewer.can("Speak again")
    viewer.fold("How it is shown")
    viewer.download("Export camera path", place / "seen.json")
    assert geneface("camera-path", place / "run", place / "path.json").returncode == 0
    assert (place / "seen.json").read_bytes() == (place / "path.json").read_bytes()
    config = place / "run" / "config.yml"
    viewer.wait(lambda: f"ns-render camera-path --load-config {config}" in viewer.text(), "the command line")
    # Of a speech it is as long as that.
    viewer.upload(write_wav(place / "speech.wav", 1.3, 16000))
    viewer.wait(lambda: "of 13" in viewer.time_line() and viewer.state()["shownFrame"] == 0, "the speech")
    viewer.download("Export camera path", place / "seen.json")
    viewer.fold("How it is shown")
    assert geneface("camera-path", place / "run", place / "path.json", "--seconds", 1.3).returncode == 0
    assert (place / "seen.json").read_bytes() == (place / "path.json").read_bytes()


def test_nothing_is_left_of_a_browser_that_goes_while_it_exports(browser: Browser, server: Server) -> None:
    leaving = Viewer(browser, server.address)
    held = len(server.sessions)
    leaving.fold("How it is shown")
    leaving.click("Export as video")
    leaving.context.close()
    until(lambda: len(server.sessions) < held)
    assert not list(server.files.rglob("*.mp4*"))
