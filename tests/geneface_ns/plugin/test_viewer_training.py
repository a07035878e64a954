"""`ns-train geneface` itself, with its viewer before a real browser: it learns while somebody listens."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from geneface_ns.synthetic.exact_capture import write_exact_capture
from tests.geneface_ns.viewer.browsers import Viewer, chromium, until

FRAMES = 22


class Training:
    """A training that would never end by itself."""

    def __init__(self, folder: Path) -> None:
        write_exact_capture(folder / "anna", 48, FRAMES, 10.0)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self._log = folder / "train.log"
        words = [
            *(Path(sys.executable).parent / "ns-train", "geneface", "--data", "anna", "--output-dir", "outputs"),
            *("--vis", "viewer", "--viewer.websocket-port", port, "--machine.device-type", "cpu"),
            *("--max-num-iterations", 100_000, "--logging.steps-per-log", 4, "--steps-per-eval-image", 0),
            *("--pipeline.model.coarse-steps", 20),
            *("--pipeline.datamanager.train-num-rays-per-batch", 256, "--pipeline.model.occupancy-resolution", 16),
        ]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                list(map(str, words)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "300"},
            )
        until(lambda: self.process.poll() is not None or self._answers(port))
        assert self.process.poll() is None, self.log

    @staticmethod
    def _answers(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    @property
    def log(self) -> str:
        """What it printed."""
        return self._log.read_text()

    @property
    def step(self) -> int:
        """The last one that it printed."""
        return max((int(found) for found in re.findall(r"^(\d+) \(", self.log, re.MULTILINE)), default=0)


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    started = Training(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def test_it_learns_while_it_plays(training: Training) -> None:
    with chromium() as browser:
        page = Viewer(browser, training.address, shown=False)

        page.page.get_by_label("Loop").first.click()
        page.click("Play")
        page.wait(lambda: page.sound("currentTime") > 0.2, "the sound")
        page.wait(lambda: page.state()["shown"] > 2, "pictures of the performance")
        before, shown = training.step, page.state()["shown"]
        page.wait(lambda: training.step > before + 24, "steps while it plays")
        page.wait(lambda: page.state()["shown"] > shown + 5, "pictures while it learns")
        assert not page.sound("paused")
        assert f"of {FRAMES}" in page.time_line()
        assert [error for error in page.errors if "ERR_NAME_NOT_RESOLVED" not in error] == []
        page.context.close()
    assert training.process.poll() is None
    assert "Traceback" not in training.log, training.log
