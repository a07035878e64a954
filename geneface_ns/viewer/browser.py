"""A client's browser as the server sees it: a sound element that it tells what to do, and whose clock it hears."""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

import viser

from geneface_ns.viewer.host import element_id, run_script
from geneface_ns.viewer.performance import Performance

PIECE = 192 * 1024
"""Bytes of a sound sent at once: pictures pass between pieces."""
FOLLOW = 0.2
"""Part of the difference between sound and picture by which the lead is corrected with each report."""
LONGEST_LEAD = 0.5
"""Seconds by which pictures are chosen ahead of the clock at most."""


@dataclass(frozen=True)
class Report:
    """What the page says of itself, ten times a second."""

    number: int
    """Counts reports: they may be handled in another order."""
    time: float
    """Seconds of the sound."""
    playing: bool
    rate: float
    """Speed."""
    sought: int
    """Number of the last seek that was carried out."""
    loaded: int
    """Number of the sound that is loaded."""
    shown: int
    """Number of the picture on the screen."""
    drift: float | None
    """Seconds that the sound was ahead of the pictures when they came to the screen, mean since the last report."""
    rate_shown: float
    """Pictures a second that came to the screen."""
    visible: bool
    note: str
    """Why the sound does not play, as browsers call it; empty where it does."""
    recorded: float | None
    """Seconds that the microphone has been recorded so far; None where it is not."""
    microphone: str
    """Why it is not, as browsers call it; empty where nobody wanted it."""


def read_report(text: str) -> Report | None:
    """A report; None for anything else, whoever sent it."""
    try:
        values = json.loads(text)
        report = Report(**{field.name: values[field.name] for field in fields(Report)})
        numbers = (report.number, report.time, report.rate, report.sought, report.loaded, report.shown)
        differences = (report.drift or 0.0, report.rate_shown, report.recorded or 0.0)
        good = all(math.isfinite(number) for number in (*numbers, *differences))
        good = good and isinstance(report.note, str) and isinstance(report.microphone, str)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return report if good else None


class Browser:
    """The sound element of one client."""

    def __init__(self, client: viser.ClientHandle, heard: Callable[[Report], None]) -> None:
        """
        Args:
            heard: called with each report, in order.
        """
        self._client = client
        self._heard = heard
        self._lock = threading.Lock()
        self._report: Report | None = None
        self._at = 0.0
        self._seek: tuple[int, float] = (0, 0.0)
        self._sounds = 0
        self._seconds = 0.0
        self._loop = False
        self.lead = 0.05
        """Seconds between choosing a picture and its coming to the screen, as learnt from the reports."""
        self._channel = client.gui.add_text("talking-head-report", "", visible=False)
        self._channel.on_update(lambda event: self._hear(event.target.value))
        for script in ("recorder.js", "player.js"):
            self._run((files(__package__) / script).read_text())

    def open(self) -> None:
        """Begin to listen to its reports."""
        self._run(f"talkingHead.open({json.dumps(element_id(self._channel))})")

    @property
    def report(self) -> Report | None:
        """The latest one."""
        return self._report

    @property
    def playing(self) -> bool:
        """Whether the sound is heard at the moment."""
        report = self._report
        return report is not None and report.playing and report.loaded == self._sounds

    def position(self, ahead: bool = False) -> float:
        """Second of the sound that is heard now, or, ahead, when a picture chosen now will be on the screen."""
        with self._lock:
            report, at, (seek, target) = self._report, self._at, self._seek
        if report is None or report.sought != seek or report.loaded != self._sounds:
            return target
        if not report.playing:
            return report.time
        now = report.time + (time.monotonic() - at + (self.lead if ahead else 0.0)) * report.rate
        return now % self._seconds if self._loop and now >= self._seconds > 0 else min(now, self._seconds)

    def load(self, performance: Performance) -> None:
        """Take a performance's sound, from its beginning."""
        data = performance.sound.path.read_bytes()
        with self._lock:
            self._sounds += 1
            self._seek = (self._seek[0] + 1, 0.0)
            self._seconds = performance.sound.seconds
        about = {"peaks": performance.sound.peaks, "fps": performance.fps, "total": performance.total}
        count = math.ceil(len(data) / PIECE)
        for index in range(count):
            piece = base64.b64encode(data[index * PIECE : (index + 1) * PIECE]).decode()
            words = f"{self._sounds}, {index}, {count}, {json.dumps(piece)}, {json.dumps(about)}"
            self._run(f"talkingHead.sound({words})")
        self._run(f"talkingHead.seek(0, {self._seek[0]})")

    def toggle(self) -> None:
        """Play, or pause."""
        self._run("talkingHead.toggle()")

    def seek(self, seconds: float) -> None:
        """Go to a second of the sound, at once as far as `position` is concerned."""
        with self._lock:
            self._seek = (self._seek[0] + 1, seconds)
        self._run(f"talkingHead.seek({seconds:.6f}, {self._seek[0]})")

    def record(self, button: Any, seconds: float) -> None:
        """Record the microphone and upload it by a button; or end the recording that is under way.

        Args:
            button: the handle of an upload button.
            seconds: after which it ends by itself.
        """
        self._run(f"talkingHeadRecorder.toggle({json.dumps(element_id(button))}, {seconds:g})")

    def rate(self, factor: float) -> None:
        self._run(f"talkingHead.rate({factor:g})")

    def loop(self, on: bool) -> None:
        self._loop = on
        self._run(f"talkingHead.loop({json.dumps(on)})")

    def _hear(self, text: str) -> None:
        report = read_report(text)
        with self._lock:
            if report is None or (self._report is not None and report.number <= self._report.number):
                return
            self._report, self._at = report, time.monotonic()
            if report.drift is not None:
                corrected = self.lead + FOLLOW * report.drift / max(report.rate, 0.1)
                self.lead = min(max(corrected, 0.0), LONGEST_LEAD)
        self._heard(report)

    def _run(self, source: str) -> None:
        run_script(self._client, source)
