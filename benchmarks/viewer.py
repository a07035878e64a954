"""What the viewer does before a real browser: pictures shown, drift, scrubbing, an upload, memory.

    PYTHONPATH=. python benchmarks/viewer.py RUN speech.wav --seconds 60
    PYTHONPATH=. python benchmarks/viewer.py RUN speech.wav --seconds 5 --memory-seconds 1800 --uploads 20

RUN is a trained head (`geneface view`); its own voice must have been fitted before, as by an earlier `geneface render`.
Debian's chromium and playwright are needed. Browser and server share the machine.
"""

from __future__ import annotations

import re
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import tyro
from machine import describe

from tests.geneface_ns.viewer.browsers import Server, Viewer, chromium


@dataclass
class ViewerBenchmark:
    """Measure the viewer in a real browser on this machine."""

    run: Annotated[Path, tyro.conf.Positional]
    """The config.yml of a run, or its folder."""
    speech: Annotated[Path, tyro.conf.Positional]
    """About ten seconds of speech to upload."""
    seconds: float = 60.0
    """Of playing, for the drift."""
    memory_seconds: float = 0.0
    """Of playing with two browsers and uploads, for the memory; 0 leaves it out."""
    uploads: int = 20
    """Spread over these seconds."""

    def main(self) -> None:
        """Print one figure a line."""
        print(describe())
        with tempfile.TemporaryDirectory() as folder, chromium() as browser:
            server = Server(self.run, Path(folder))
            try:
                viewer = Viewer(browser, server.address)
                self._upload(viewer)
                viewer.wait(lambda: "100 % at hand" in viewer.pictures(), "all pictures")
                self._scrub(viewer, "pictures at hand")
                viewer.fold("How it is shown")
                viewer.page.get_by_label("Landmarks").click()  # all is rendered anew
                self._scrub(viewer, "rendered anew")
                viewer.page.get_by_label("Landmarks").click()
                self._play(viewer, "first pass, rendered as it plays, 10 s", 10)
                viewer.wait(lambda: "100 % at hand" in viewer.pictures(), "all pictures")
                self._play(viewer, f"pictures at hand, {self.seconds:g} s", self.seconds)
                if self.memory_seconds:
                    self._memory(viewer, Viewer(browser, server.address), server)
                print("errors in the page:", viewer.errors or "none")
            finally:
                server.end()

    def _upload(self, viewer: Viewer) -> None:
        total = viewer.time_line().partition(" of ")[2]
        began = time.perf_counter()
        viewer.upload(self.speech)
        viewer.wait(lambda: viewer.time_line().partition(" of ")[2] != total, "the speech")
        viewer.wait(lambda: viewer.state()["shownFrame"] == 0, "its first picture")
        print(f"upload to first picture of the speech: {time.perf_counter() - began:.2f} s")

    def _scrub(self, viewer: Viewer, what: str) -> None:
        script = """async (index) => {
            const input = [...document.querySelectorAll('label')].find((l) => l.textContent === 'Frame')
                .parentElement.parentElement.parentElement.querySelectorAll('input:not([type=hidden])');
            const field = input[input.length - 1];
            const began = performance.now();
            Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, String(index));
            field.dispatchEvent(new Event('input', { bubbles: true }));
            while (talkingHead.state().shownFrame !== index && performance.now() - began < 10000)
                await new Promise(requestAnimationFrame);
            return performance.now() - began;
        }"""
        found = re.search(r"frame \d+ of (\d+)", viewer.time_line())
        assert found is not None
        tenths = (6, 2, 9, 4, 0, 7, 3, 1, 5, 8)
        times = [viewer.page.evaluate(script, int(found[1]) * tenth // 10 + 1) for tenth in tenths]
        print(f"scrub, slider to picture, {what}: median {median(times):.0f} ms, worst {max(times):.0f} ms")

    def _play(self, viewer: Viewer, what: str, seconds: float) -> None:
        viewer.page.get_by_label("Loop").set_checked(True)
        viewer.fill("Frame", 0)
        viewer.click("Play")
        viewer.wait(lambda: viewer.sound("currentTime") > 0.5, "the sound")
        began, first = time.perf_counter(), viewer.state()["pictures"]
        drifts: list[float] = []
        while time.perf_counter() - began < seconds:
            viewer.page.wait_for_timeout(4000)
            drifts += viewer.state()["drifts"][-80:]
        shown = (viewer.state()["pictures"] - first) / (time.perf_counter() - began)
        viewer.click("Pause")
        apart = np.abs(drifts) * 1000
        print(
            f"{what}: {shown:.1f} pictures/s shown, drift median {np.median(apart):.0f} ms, "
            f"95 % {np.percentile(apart, 95):.0f} ms, worst {apart.max():.0f} ms"
        )

    def _memory(self, viewer: Viewer, second: Viewer, server: Server) -> None:
        """The server's resident memory while two browsers play; the first uploads, and plays each speech at once."""
        pages = (viewer, second)
        for page in pages:
            page.page.get_by_label("Loop").set_checked(True)
        sizes: list[tuple[float, float]] = []
        played = [0, 0]
        began, done = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < self.memory_seconds:
            if done < self.uploads * passed / self.memory_seconds:
                viewer.upload(self.speech)
                done += 1
            viewer.page.wait_for_timeout(5000)
            for index, page in enumerate(pages):
                if page.sound("paused"):  # another sound has been loaded
                    page.click("Play")
                else:
                    played[index] += 1
            sizes.append((passed, resident(server.pid)))
        at, early = next(size for size in sizes if size[0] >= min(60, self.memory_seconds / 3))
        last, size = sizes[-1]
        shares = " and ".join(f"{100 * times / len(sizes):.0f} %" for times in played)
        print(
            f"memory, two browsers playing {shares} of the time, {done} uploads: {early:.0f} MiB after {at:.0f} s, "
            f"{size:.0f} MiB after {last:.0f} s ({100 * (size / early - 1):+.1f} %), "
            f"most {max(size for _, size in sizes):.0f} MiB; errors in the second page: {second.errors or 'none'}"
        )


def resident(pid: int) -> float:
    """MiB of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    tyro.cli(ViewerBenchmark).main()
