"""The panel "Talking head" in nerfstudio's own viewer, before a real browser, while a training goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from nerfstudio.viewer.viewer import Viewer as NerfstudioViewer

from geneface_ns.motion.voice import Voice
from tests.geneface_ns.output.test_video import write_wav
from tests.geneface_ns.plugin.test_viewer import viewer  # noqa: F401
from tests.geneface_ns.viewer.browsers import Viewer, chromium


class Training:
    """Takes the lock as nerfstudio's trainer does, and counts its steps."""

    def __init__(self, lock: threading.Lock) -> None:
        self.steps = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lock,), daemon=True)
        self._thread.start()

    def _run(self, lock: threading.Lock) -> None:
        while not self._ended.is_set():
            with lock:
                self.steps += 1
            self._ended.wait(0.005)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def training(viewer: NerfstudioViewer) -> Iterator[Training]:  # noqa: F811
    assert viewer.train_lock is not None
    steps = Training(viewer.train_lock)
    yield steps
    steps.end()


def test_it_plays_while_the_training_goes_on(viewer: NerfstudioViewer, training: Training, tmp_path: Path) -> None:  # noqa: F811
    held, asked = threading.Event(), threading.Event()

    def slow_voice() -> Voice:
        asked.set()
        held.wait(120)
        raise RuntimeError("never ready")

    object.__setattr__(viewer.pipeline.model.view._panels._stage, "voice", slow_voice)
    with chromium() as browser:
        page = Viewer(browser, f"http://127.0.0.1:{viewer.viser_server.get_port()}", shown=False)
        page.page.get_by_label("Loop").first.click()
        page.click("Play")
        page.wait(lambda: page.sound("currentTime") > 0.2, "the sound")
        page.wait(lambda: page.state()["shown"] > 2, "pictures of the performance")
        before = training.steps
        page.wait(lambda: training.steps > before + 20, "training while it plays")
        # The person's own motion is at hand; speech must wait for the voice, and nobody waits with it.
        page.upload(write_wav(tmp_path / "speech.wav", 0.5, 16000))
        page.wait(asked.is_set, "the upload")
        before = training.steps
        page.wait(lambda: training.steps > before + 20, "training while the voice is made")
        page.frame(7)
        # nerfstudio's own pictures come back when the panel is told so, and ours are sent no more.
        page.page.get_by_label("Show it here").click()
        machine = next(iter(viewer.render_statemachines.values()))
        page.wait(lambda: "action" not in vars(machine), "nerfstudio's turn")
        page.page.wait_for_timeout(1000)
        shown = page.state()["shown"]
        page.page.wait_for_timeout(1000)
        assert not page.sound("paused")
        assert page.state()["shown"] == shown
        held.set()
        page.wait(lambda: "could not be performed" in page.text(), "the message")
        # nerfstudio and viser load a logo and their analytics from the web.
        assert [error for error in page.errors if "ERR_NAME_NOT_RESOLVED" not in error] == []
        page.context.close()
