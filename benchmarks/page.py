"""What a page of a person of Gaussians does before a real browser: how fast it draws, and how far sound and picture are
apart.

    PYTHONPATH=. python benchmarks/page.py PAGE.html

Debian's chromium without a graphics processor (SwiftShader) and playwright are needed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from machine import describe

from tests.geneface_ns.output.opened import Opened, apart
from tests.geneface_ns.viewer.browsers import chromium

LATE = 0.08
"""Seconds that are seen."""
ALONE = """() => {
  const { head } = talkingHead, began = performance.now();
  for (let i = 0; i < 20; i++) head.move(0);
  const moved = performance.now();
  for (let i = 0; i < 20; i++) head.see(head.row("view", 0, 12), 1);
  return [(moved - began) / 20, (performance.now() - moved) / 20];
}"""


def processor_seconds() -> float:
    """What all processes that this one started have used."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(path.parent.name)], used[int(path.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(used[pid] for pid in ours - {os.getpid()}) / os.sysconf("SC_CLK_TCK")


@dataclass
class PageBenchmark:
    """Play a page once."""

    page: Annotated[Path, tyro.conf.Positional]
    """As `geneface_ns.output.page` writes it."""

    def main(self) -> None:
        """Print one figure a line."""
        print(f"{describe()}, load {os.getloadavg()[0]:.1f}")
        about = re.search(r'"fps": ([\d.]+), "frames": (\d+)', self.page.read_text("utf-8"))
        assert about is not None
        fps, frames = float(about[1]), int(about[2])
        print(f"{self.page.stat().st_size / 1e6:.1f} MB for {frames / fps:.1f} s")
        with chromium() as browser:
            opened = Opened(browser, self.page)
            moved, seen = opened.page.evaluate(ALONE)
            print(f"Gaussians of a frame {moved:.1f} ms, as its camera sees them {seen:.1f} ms")
            opened.watch()
            opened.page.get_by_role("button", name="Play").click()
            opened.wait(lambda: opened.state()["playing"])
            used = processor_seconds()
            opened.wait(lambda: not opened.state()["playing"])
            used = processor_seconds() - used
            watched = opened.watched()
        shown = watched[-1]["pictures"] - watched[0]["pictures"]
        seconds, size = watched[-1]["time"] - watched[0]["time"], "half" if watched[-1]["slow"] else "full"
        print(f"{shown / seconds:.1f} pictures a second, the head at {size} size")
        print(f"{1000 * used / shown:.0f} ms of processors for each, the whole browser's")
        late = np.array(apart(watched, fps))
        print(
            f"sound and picture apart: median {1000 * np.median(late):.0f} ms, 95 % under "
            f"{1000 * np.quantile(late, 0.95):.0f} ms, {100 * np.mean(late <= LATE):.0f} % within {1000 * LATE:.0f} ms"
        )
        print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    tyro.cli(PageBenchmark).main()
