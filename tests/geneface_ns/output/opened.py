"""A page of a person of Gaussians in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.geneface_ns.viewer.browsers import PATIENCE

BEGINNING = 0.3
"""Seconds of sound."""


class Opened:
    """The page in a browser."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.page = browser.new_context(viewport={"width": 400, "height": 400}).new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url.split(",")[0]))
        self.page.goto(path.as_uri())
        self.wait(lambda: self.page.evaluate("!!window.talkingHead") and self.state()["shown"] >= 0)

    def state(self) -> dict[str, Any]:
        """What the page is at."""
        return self.page.evaluate("talkingHead.state()")

    def frame(self, index: int) -> Tensor:
        """Scrub to a frame, and see it (`picture`)."""
        self.page.get_by_label("Frame").fill(str(index))
        self.wait(lambda: self.state()["shown"] == index)
        return self.picture()

    def picture(self) -> Tensor:
        """What the canvas shows: [H, W, 3] in [0, 1]."""
        self.page.wait_for_timeout(300)  # until what is drawn is on the screen
        shot = Image.open(BytesIO(self.page.locator("canvas").screenshot())).convert("RGB")
        return torch.from_numpy(np.array(shot)) / 255

    def watch(self) -> None:
        """Note from now on what it is at while it plays."""
        note = "setInterval(() => { const s = talkingHead.state(); if (s.playing) watched.push(s); }, 10)"
        self.page.evaluate(f"watched = []; {note}; 0")

    def watched(self) -> list[dict[str, Any]]:
        """What was noted since, but for the beginning, when the sound starts."""
        return [state for state in self.page.evaluate("watched") if state["time"] > BEGINNING]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for something to happen; fail with what the page shows where it does not."""
        for _ in range(round(PATIENCE / 0.05)):
            if condition():
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"it did not happen: {self.errors} {self.page.locator('body').inner_text()}")


def apart(watched: list[dict[str, Any]], fps: float) -> list[float]:
    """Seconds between the sound and the time that the shown frame is of, at each moment that was noted."""
    return [max(s["shown"] / fps - s["time"], s["time"] - (s["shown"] + 1) / fps, 0.0) for s in watched]
