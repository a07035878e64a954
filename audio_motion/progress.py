"""Progress bars: how much is done, how fast, how long still."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
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
    """A bar of work that goes frame by frame; yields a function that advances it by one frame."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), Rate())
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(label, total=total, completed=done)
        yield lambda: progress.advance(task)


def shown(frames: Iterable[T], total: int | None, label: str) -> Iterator[T]:
    """Pass frames on while a bar on standard error shows them."""
    with frame_bar(Console(stderr=True), label, total) as advance:
        for frame in frames:
            yield frame
            advance()


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    """A bar of a training with its latest figures; yields what training calls with (done, planned, figures)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(title, total=None, figures="")

        def report(done: int, planned: int, figures: dict[str, float]) -> None:
            shown = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            bar.update(task, completed=done, total=planned, figures=shown)

        yield report
