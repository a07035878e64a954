"""One display for work of several stages, with the time left of the whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

SURE = 0.05
"""Part of a stage after which its own speed says more than the estimate."""


class _Left(ProgressColumn):
    """Time left of the whole."""

    def render(self, task: Task) -> Text:
        minutes, seconds = divmod(int(task.fields["left"]), 60)
        return Text(f"about {minutes}:{seconds:02d} left")


class Whole:
    """Stages of known names whose seconds are estimated, and corrected by what those before took."""

    def __init__(self, estimates: dict[str, float], console: Console) -> None:
        """
        Args:
            estimates: seconds of each stage still to do, in their order.
        """
        self.estimates = dict(estimates)
        self._all = list(estimates)
        self._console = console
        self._pace = 1.0  # of this machine, against the estimates
        self._progress: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the display while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn(), _Left())
        with Progress(*columns, console=self._console, transient=True) as self._progress:
            self._task = self._progress.add_task("", total=1.0, left=sum(self.estimates.values()))
            try:
                yield
            finally:
                self._progress = None

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float | None], None]]:
        """One stage; yields what its work calls now and then with the part of it that is done, None if unknown.

        Says in one line what it took when it has ended well.
        """
        began, estimate = time.monotonic(), self.estimates.pop(name)
        title = f"[{self._all.index(name) + 1}/{len(self._all)}] {name}"

        def tick(part: float | None) -> None:
            took = time.monotonic() - began
            here = took * (1 - part) / part if part and part > SURE else max(0.0, self._pace * estimate - took)
            left = here + self._pace * sum(self.estimates.values())
            if self._progress is not None:
                done = self._progress.tasks[0].elapsed or 0.0
                self._progress.update(self._task, description=title, completed=done, total=done + left, left=left)

        tick(None)
        yield tick
        took = time.monotonic() - began
        if estimate:
            self._pace = (self._pace + took / estimate) / 2
        self.say(f"{title}: {took:.0f} s")

    def say(self, line: str) -> None:
        """Print a line above the display."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
