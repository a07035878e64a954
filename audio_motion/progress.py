"""Progress of long work: a bar in a terminal, one line a stage in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")


class Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:6.1f} frames/s" if speed else "       frames/s")


@contextmanager
def frame_bar(console: Console, label: str, total: int | None, done: int = 0) -> Iterator[Callable[[], None]]:
    """Show work that goes frame by frame; yields a function that advances it by one frame.

    Where the console is no terminal, one line is printed when the work has ended well.

    Args:
        total: how many frames; may be an estimate. None for work that cannot be counted: its time is shown alone.
        done: frames that an earlier run did.
    """
    began, count = time.monotonic(), 0
    if not console.is_terminal:

        def counted() -> None:
            nonlocal count
            count += 1

        yield counted
        seconds = time.monotonic() - began
        frames = f"{count} frames in " if count else ""
        rate = f" ({count / seconds:.1f} frames/s)" if count and seconds else ""
        _log(console, f"{label}: {frames}{seconds:.1f} s{rate}")
    elif total is None:
        columns = (TextColumn("{task.description:<22}"), SpinnerColumn(finished_text=" "), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(label, total=1)
            yield lambda: None
            progress.update(task, completed=1)
    else:
        counts = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), Rate())
        with Progress(*counts, TextColumn("left"), TimeRemainingColumn(), console=console) as progress:
            task, planned, place = progress.add_task(label, total=total, completed=done), total, done

            def advance() -> None:
                nonlocal place
                place += 1
                progress.update(task, advance=1, total=max(planned, place))

            yield advance
            progress.update(task, total=place)


def shown(frames: Iterable[T], total: int | None, label: str, done: int = 0) -> Iterator[T]:
    """Pass frames on while standard error shows how many have passed (`frame_bar`)."""
    with frame_bar(Console(stderr=True), label, total, done) as advance:
        for frame in frames:
            yield frame
            advance()


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    """Show long work with its latest figures on standard error; yields what it calls with (done, planned, figures).

    Where that is no terminal, one line is printed when the work has ended well.
    """
    console, began = Console(stderr=True), time.monotonic()
    if not console.is_terminal:
        last = ""

        def noted(done: int, planned: int, figures: dict[str, float]) -> None:
            nonlocal last
            last = f"{done} of {planned}  {_figures(figures)}"

        yield noted
        _log(console, f"{title}: {time.monotonic() - began:.1f} s  {last}".rstrip())
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, figures="")

        def report(done: int, planned: int, figures: dict[str, float]) -> None:
            bar.update(task, completed=done, total=planned, figures=_figures(figures))

        yield report


def _figures(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items())


def _log(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
