"""A real browser before the viewer, and the server it looks at."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType, Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    *("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    # Sound starts by a click, as it must with a user.
    *("--autoplay-policy=user-gesture-required", "--mute-audio"),
)
VISERS_OWN = ("Computed radius is NaN",)
"""Errors that viser's page reports without us, too."""
PATIENCE = 120.0
"""Seconds until something is taken for missing; nothing is measured by it."""


MICROPHONE = ("--use-fake-device-for-media-stream",)
"""A flag by which there is a microphone, which hears beeps. Whether a page may use it is its context's to say."""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Debian's browser; a test without it is skipped, or fails where GENEFACE_BROWSER says that there must be one."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    if not CHROMIUM.is_file():
        _missing(f"there is no {CHROMIUM}")
    with sync_playwright() as playwright, launched(playwright.chromium, *flags) as browser:
        yield browser


@contextmanager
def launched(kind: BrowserType, *flags: str) -> Iterator[Browser]:
    """One more browser; `kind` is the `browser_type` of another."""
    browser = kind.launch(executable_path=str(CHROMIUM), args=[*FLAGS, *flags])
    try:
        yield browser
    finally:
        browser.close()


def _missing(why: str) -> None:
    if os.environ.get("GENEFACE_BROWSER"):
        pytest.fail(f"{why}, and GENEFACE_BROWSER asks for a browser")
    pytest.skip(why)


class Server:
    """`geneface view` in a process of its own."""

    def __init__(self, run: Path, folder: Path, *more: object) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.files = folder / "tmp"
        self.files.mkdir()
        self._log = folder / "view.log"
        words = [sys.executable, "-m", "geneface_ns.commands.cli", "view", run, "--port", self.port, *more]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                list(map(str, words)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(self.files), "CUDA_VISIBLE_DEVICES": ""},
            )
        until(lambda: "watch " in self.log or self._process.poll() is not None)
        assert self._process.poll() is None, self.log
        found = re.search(r"http://\S+", self.log[self.log.index("watch ") :])
        assert found is not None
        self.address = found[0]

    @property
    def log(self) -> str:
        """What it printed."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def sessions(self) -> list[Path]:
        """Folders of the browsers that are connected."""
        return sorted(self.files.glob("geneface-view-*/browser-*"))

    def end(self) -> int:
        """End it as Ctrl-C does; returns the exit code."""
        self._process.terminate()
        return self._process.wait(60)


class Viewer:
    """One page at the viewer."""

    def __init__(
        self, browser: Browser, address: str, shown: bool = True, permissions: tuple[str, ...] = (), script: str = ""
    ) -> None:
        """
        Args:
            shown: whether the performance is on the screen from the beginning.
            permissions: what the page may do.
            script: what is run before anything of the page.
        """
        self.context = browser.new_context(viewport={"width": 900, "height": 700}, permissions=list(permissions))
        self.context.add_init_script(script)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self._note_failed(request.url, request.failure or ""))
        self.page.goto(address)
        self.ready(shown)

    def _note_failed(self, url: str, failure: str) -> None:
        if "ERR_ABORTED" not in failure:  # what was still loading when the page was left or loaded anew
            self.errors.append(f"{url}: {failure}")

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(known in text for known in VISERS_OWN):
            self.errors.append(text)

    def ready(self, shown: bool = True) -> None:
        """Wait until something can be played and, if it is shown at once, seen."""
        self.wait(
            lambda: re.search(r"/ \d+:\d\d", self.time_line()) is not None and self.sound("duration") > 0, "the sound"
        )
        self.wait(lambda: not shown or self.state()["shown"] > 0, "a picture")

    def state(self) -> dict[str, Any]:
        return self.page.evaluate("window.talkingHead ? talkingHead.state() : {shown: 0}")

    def sound(self, what: str) -> Any:
        """A property of the page's sound element."""
        return self.page.evaluate(f"document.getElementById('talking-head-sound')?.{what} ?? 0")

    def time_line(self) -> str:
        """What stands under the waveform."""
        found = self.page.locator("#talking-head-time")
        return found.inner_text() if found.count() else ""

    def pictures(self) -> str:
        """What the panel says of its pictures."""
        return self._beside("Pictures").locator("input").input_value()

    def text(self) -> str:
        """All that can be read."""
        return self.page.locator("body").inner_text()

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def fold(self, name: str) -> None:
        """Open or close a folder of the panel."""
        self.page.get_by_text(name, exact=True).click()

    def fill(self, label: str, value: object) -> None:
        """Type into the number beside a slider, or into another field."""
        field = self._beside(label).locator("input:not([type=hidden])").last
        field.fill(str(value))

    def choose(self, label: str, option: str) -> None:
        """Choose from a dropdown."""
        self._beside(label).locator("input:not([type=hidden])").first.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def chosen(self, label: str) -> str:
        """What a dropdown says."""
        return self._beside(label).locator("input:not([type=hidden])").first.input_value()

    def can(self, button: str) -> bool:
        """Whether there is such a button, be its folder open or not."""
        return self.page.get_by_role("button", name=button, exact=True, include_hidden=True).count() > 0

    def _beside(self, label: str) -> Any:
        return self.page.locator(f"xpath=//label[text()='{label}']/../../..")

    def upload(self, file: Path, button: str = "Upload speech (or motion)") -> None:
        found = self.page.get_by_role("button", name=button, exact=True, include_hidden=True)
        found.locator("xpath=preceding-sibling::input[@type='file']").set_input_files(str(file))

    def download(self, button: str, file: Path) -> None:
        """Press a button, and keep what comes of it."""
        with self.page.expect_download(timeout=1000 * PATIENCE) as download:
            self.click(button)
        download.value.save_as(file)

    def frame(self, index: int) -> np.ndarray:
        """Go to a frame of the performance, and see it (`picture`)."""
        self.fill("Frame", index)
        self.wait(lambda: self.state()["shownFrame"] == index)
        return self.picture()

    def picture(self) -> np.ndarray:
        """What is behind the panel, the same whatever resolution viser draws at the moment: float [H, W, 3]."""
        self.page.wait_for_timeout(300)  # until what has arrived is drawn
        shot = self.page.screenshot(clip={"x": 0, "y": 0, "width": 560, "height": 700})
        return np.asarray(Image.open(BytesIO(shot)).convert("RGB").resize((56, 70), Image.Resampling.BOX), float)

    def wait(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait for something to happen in the page; fail with what it shows where it does not."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen: {self.text()} {self.errors}"
            self.page.wait_for_timeout(50)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something to happen; fail where it does not."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
