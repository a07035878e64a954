"""What is shown of long work: a bar in a terminal, one line a stage in a log."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from audio_motion.progress import frame_bar, progress_bar, shown


def log() -> Console:
    return Console(file=io.StringIO(), width=30)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("total", [12, 40, None])
def test_a_log_gets_one_line_a_stage_with_what_was_really_done(total: int | None) -> None:
    console = log()
    with frame_bar(console, "read, detect [and] segment", total) as advance:
        for _ in range(12):
            advance()
        assert printed(console) == ""
    wanted = r"read, detect \[and\] segment: 12 frames in \d+\.\d s \(\d+\.\d frames/s\)\n"
    assert re.fullmatch(wanted, printed(console))


def test_a_stage_without_a_count_tells_its_time() -> None:
    console = log()
    with frame_bar(console, "track the head", None):
        pass
    assert re.fullmatch(r"track the head: \d+\.\d s\n", printed(console))


def test_a_stage_that_fails_tells_nothing() -> None:
    console = log()
    with pytest.raises(ValueError, match="broken"), frame_bar(console, "track the head", 5):
        raise ValueError("broken")
    assert printed(console) == ""


@pytest.mark.parametrize(("total", "last"), [(12, "12/12"), (40, "12/12"), (5, "12/12"), (None, None)])
def test_a_terminal_gets_true_counts_and_none_without_a_total(total: int | None, last: str | None) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with frame_bar(console, "look for faces", total) as advance:
        for _ in range(12 if total else 0):
            advance()
    shown_last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed(console)).rstrip().splitlines()[-1]
    assert "look for faces" in shown_last
    if last:
        assert last in shown_last
    else:
        assert "?" not in shown_last
        assert "left" not in shown_last
        assert "0:00:00" in shown_last


def test_a_training_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("training the generator") as report:
        for step in range(1, 4):
            report(step, 3, {"error": 1 / step})
    written = capsys.readouterr()
    assert re.fullmatch(r"training the generator: \d+\.\d s  3 of 3  error 0\.333\n", written.err)
    assert written.out == ""


def test_frames_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(shown(iter("abc"), 3, "render")) == list("abc")
    assert capsys.readouterr().err.startswith("render: 3 frames in ")
