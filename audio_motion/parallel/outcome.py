"""What became of each of many things that were worked on, and how that is shown."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from rich.console import Console

from audio_motion.errors import InputError
from audio_motion.progress import progress_bar


@dataclass(frozen=True)
class Outcome:
    """What became of a clip or a speech."""

    name: str
    end: Literal["done", "refused", "failed", "unwritten"]
    """failed: an error of ours, so that the next run tries again; unwritten: its result could not be written."""
    seconds: float = 0.0
    """Of video."""
    reason: str = ""
    notes: tuple[str, ...] = ()
    """What was noticed while its file was opened."""


def follow(outcomes: Generator[Outcome, None, None], total: int, what: str, console: Console) -> list[Outcome]:
    """Show many outcomes as they come, with a progress bar, and sum them up; returns those that are not "done".

    Args:
        outcomes: closed at the end, whatever ends it.
        total: how many there will be.
        what: they are of, in plural.

    Raises:
        InputError: a result could not be written.
        KeyboardInterrupt: stopped by the user; what was finished stays.
    """
    undone: list[Outcome] = []
    ends: Counter[str] = Counter()
    seconds, began = 0.0, time.monotonic()
    try:
        with progress_bar(what) as show, closing(outcomes):
            show(0, total, {})
            for outcome in outcomes:
                if outcome.end == "unwritten":
                    raise InputError(f"{outcome.reason}; then run the same command again: finished {what} are kept")
                if outcome.end != "done":
                    undone.append(outcome)
                for note in outcome.notes:
                    console.print(f"{outcome.name}: {note}", highlight=False, markup=False, soft_wrap=True)
                ends[outcome.end] += 1
                seconds += outcome.seconds
                took = time.monotonic() - began
                figures = {f"{what}/s": ends.total() / took, "x real time": seconds / took}
                show(ends.total(), total, figures)
    except KeyboardInterrupt as error:
        said = f"stopped after {ends.total()} of {total} {what}; the same command goes on from there"
        raise KeyboardInterrupt(said) from error
    took = time.monotonic() - began
    counts = ", ".join(f"{count} {end}" for end, count in ends.items())
    console.print(f"{counts} in {took:.0f} s: {seconds / took:.2f} x real time", highlight=False)
    return undone
