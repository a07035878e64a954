"""Shows a browser the picture that belongs to its clock. Pictures that come too late are left out, never queued."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import viser

from geneface_ns.viewer.browser import Browser
from geneface_ns.viewer.host import show_picture
from geneface_ns.viewer.performance import Performance
from geneface_ns.viewer.picture import Look, encode, fit_window, paint
from geneface_ns.viewer.stage import Stage

KEPT = 64 << 20
"""Bytes of pictures that are kept for a browser, so that each is rendered once."""
ON_THE_WAY = 8
"""Pictures sent and not seen on the screen, above which the browser is given time, a second at most."""
REFRESH = 1.0
"""Seconds between two pictures of a portrait that is being trained, while nothing plays."""

_log = logging.getLogger(__name__)


class Shown(NamedTuple):
    """What pictures of one kind have in common."""

    performance: Performance
    look: Look
    aspect: float
    """Width over height of the window."""
    version: int
    """Of the portrait."""


class Player:
    """One browser's pictures, from a thread of its own."""

    def __init__(
        self, stage: Stage, client: viser.ClientHandle, browser: Browser, failed: Callable[[Exception], None]
    ) -> None:
        """
        Args:
            failed: called where a picture cannot be made; the player goes on.
        """
        self._stage, self._client, self._browser, self._failed = stage, client, browser, failed
        self._wake = threading.Event()
        self._closed = False
        self._performance: Performance | None = None
        self.look = Look(stage.renderer.camera.size)
        """How the performance is shown; see `change`."""
        self._active = True
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self._kept_for: Shown | None = None
        self._on_screen: tuple[Shown, int] | None = None
        self._sent = 0
        self._sent_at = 0.0
        name = f"player of browser {client.client_id}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def ready(self) -> float:
        """Part of the performance whose pictures are at hand."""
        performance = self._performance
        return len(self._kept) / performance.total if performance is not None else 0.0

    def show(self, performance: Performance) -> None:
        """Show this performance from now on."""
        self._performance = performance
        self._wake.set()

    def change(self, look: Look) -> None:
        """Show it so from now on."""
        self.look = look
        self._wake.set()

    def activate(self, on: bool) -> None:
        """Whether the browser is shown the performance at all."""
        if on and not self._active:
            self._on_screen = None
        self._active = on
        self._wake.set()

    def wake(self) -> None:
        """Look at the clock again: something has changed."""
        self._wake.set()

    def close(self) -> None:
        """End the thread, after the picture that it is at, and forget the pictures."""
        self._closed = True
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            pause = 1.0
            performance = self._performance
            if self._active and performance is not None and performance.frames:
                shown = Shown(performance, self.look, round(self._client.camera.aspect, 3), self._stage.version())
                try:
                    pause = self._step(shown)
                except Exception as error:  # of one picture: this browser's others need not suffer
                    _log.exception("a picture could not be made")
                    self._failed(error)
            if pause > 0:
                self._wake.wait(pause)
        self._performance = self._kept_for = self._on_screen = None
        self._kept.clear()

    def _step(self, shown: Shown) -> float:
        """Show the picture that is due, or make one ahead; returns how many seconds nothing is to be done."""
        performance, playing = shown.performance, self._browser.playing
        position = self._browser.position(ahead=playing)
        index = min(performance.index_at(position), len(performance.frames) - 1)
        idle = time.monotonic() - self._sent_at
        if self._on_screen is not None and self._on_screen[1] == index:
            if playing:
                return self._until_next(performance, position)
            before = self._on_screen[0]
            if before == shown:
                return self._make_ahead(shown, index)
            if before == shown._replace(version=before.version) and idle < REFRESH:
                return REFRESH - idle
        report = self._browser.report
        on_the_way = self._sent - (report.shown if report is not None else 0)
        if on_the_way >= ON_THE_WAY and idle < 1.0:
            return 1 / performance.fps
        jpeg = self._picture(shown, index)
        self._sent, self._sent_at, self._on_screen = self._sent + 1, time.monotonic(), (shown, index)
        show_picture(self._client, jpeg, self._sent, index / performance.fps)
        return 0.0

    def _until_next(self, performance: Performance, position: float) -> float:
        """Seconds until the next frame is due; a little more, so that it is."""
        report = self._browser.report
        rate = report.rate if report is not None else 1.0
        left = (performance.index_at(position) + 1) / performance.fps - position
        return min(max(left / max(rate, 0.1), 0.0) + 1e-3, 0.25)

    def _make_ahead(self, shown: Shown, index: int) -> float:
        """While nothing plays: the next picture from the playhead on, and round, that is not there yet."""
        known = len(shown.performance.frames)
        if self._kept_for == shown and self._kept_bytes < KEPT and len(self._kept) < known:
            ahead = next(i for i in (*range(index, known), *range(index)) if i not in self._kept)
            self._picture(shown, ahead)
            return 1e-3
        return REFRESH / 4

    def _picture(self, shown: Shown, index: int) -> bytes:
        """The JPEG of a frame, kept or new."""
        if self._kept_for != shown:
            self._kept, self._kept_bytes, self._kept_for = {}, 0, shown
        if index in self._kept:
            return self._kept[index]
        with self._stage.turn:
            picture = paint(self._stage.renderer, self._stage.person, shown.performance, index, shown.look)
        jpeg = encode(fit_window(picture, shown.aspect))
        if self._kept_bytes + len(jpeg) <= KEPT:
            self._kept[index] = jpeg
            self._kept_bytes += len(jpeg)
        return jpeg
