"""Spans of the video worth keeping, and the options that keep them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from geneface_ns.capture.source import SHORTEST, Source

Run = tuple[int, int]
"""First frame, and the frame after the last."""


def runs(mask: np.ndarray) -> list[Run]:
    """Runs of True in bool [T], ascending."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(mask, bool), [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def shots(cuts: Sequence[int], count: int) -> list[Run]:
    """What lies between cuts, each the first frame of a shot."""
    edges = [0, *map(int, cuts), count]
    return list(pairwise(edges))


def longest(found: Sequence[Run]) -> Run:
    """The longest run; (0, 0) where there is none."""
    return max(found, key=lambda run: run[1] - run[0], default=(0, 0))


def second(source: Source, frame: int) -> float:
    """Where a frame of the capture lies in the video, seconds."""
    return source.start + frame / source.fps


def long_enough(source: Source, run: Run) -> bool:
    """Whether a run of frames alone can become a capture, rounded as `options` does."""
    return (run[1] - run[0]) / source.fps >= SHORTEST + 0.03


def options(source: Source, run: Run, count: int) -> str:
    """The options that keep a run of `count` frames, as in "--start 2.04 --end 9.96"."""
    # Inward to hundredths of a second: what is left out must not come back by rounding.
    start = math.ceil(round(second(source, run[0]) * 100, 6)) / 100
    end = math.floor(round(second(source, run[1]) * 100, 6)) / 100
    words = [f"--start {start:.2f}"] if start > 0 else []
    if run[1] < count or source.end < source.info.duration:
        words.append(f"--end {end:.2f}")
    return " ".join(words)


def advised(source: Source, found: Sequence[Run], count: int, what: str) -> str:
    """What to do about a video of which only some runs of frames are of use: keep the longest, `what` it shows."""
    run = longest(found)
    if not long_enough(source, run):
        return f"nowhere does it show {what} for {SHORTEST:g} s; film it again"
    return f"keep the longest part that shows {what} with {options(source, run, count)}"
