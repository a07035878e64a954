"""The picture of the viewer in the docs, of the tests' own head and browser.

python -m tests.geneface_ns.viewer.screenshot docs/pictures/viewer.png
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from geneface_ns.synthetic import speech_names, speech_track
from geneface_ns.synthetic.clip import write_sound
from tests.geneface_ns.viewer.browsers import Server, Viewer, chromium
from tests.geneface_ns.viewer.tiny import tiny_run

SPOKEN = 9.0
"""Seconds of the speech."""
FRAME = 16
"""Whose picture it is."""


def take(path: Path) -> None:
    """Train the head, have it speak, and write what the browser shows."""
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        write_sound(folder / "speech.wav", speech_track(speech_names("unseen")[:1], 1).sound[: round(SPOKEN * 16000)])
        run, _ = tiny_run(folder, steps=400, size=128)
        server = Server(run, folder)
        try:
            viewer = Viewer(browser, server.address)
            viewer.page.set_viewport_size({"width": 900, "height": 860})
            total = viewer.time_line().partition(" of ")[2]
            viewer.upload(folder / "speech.wav")
            viewer.wait(lambda: viewer.time_line().partition(" of ")[2] != total and viewer.state()["shownFrame"] == 0)
            viewer.fold("How it is shown")
            viewer.wait(lambda: "100 % at hand" in viewer.pictures(), "all pictures")
            viewer.frame(FRAME)
            viewer.page.locator(".mantine-Notification-closeButton").evaluate_all("all => all.map((x) => x.click())")
            viewer.page.mouse.move(200, 200)
            viewer.page.wait_for_timeout(2000)
            shot = Image.open(BytesIO(viewer.page.screenshot())).convert("RGB")
        finally:
            server.end()
        shot.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
