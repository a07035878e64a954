"""What became of a clip. Imports nothing heavy: workers set up their process before they import what is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """What became of a clip."""

    name: str
    end: Literal["done", "refused", "failed", "unwritten"]
    """failed: an error of ours, so that the next run tries again; unwritten: its result could not be written."""
    seconds: float = 0.0
    """Of video."""
    reason: str = ""
    notes: tuple[str, ...] = ()
    """What was noticed while its video was opened."""
