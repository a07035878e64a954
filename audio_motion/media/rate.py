"""At how many pictures a second a video is best read."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

_USUAL = [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)] + [
    Fraction(n) for n in (24, 25, 30, 48, 50, 60, 100, 120, 240, 20, 15, 12, 10, 8, 5, 4, 3, 2, 1)
]
_UNEVEN = 0.3
"""Part of a step by which a picture may lie beside its place before the rate counts as varying."""
_ROUNDED = 0.0015
"""Seconds: containers round times to milliseconds."""
_WINDOW = 1.0
"""Seconds over which the rate is looked at where it varies."""


def choose_rate(times: np.ndarray, end: float, known: Sequence[Fraction] = ()) -> float:
    """Pictures per second at which every picture of a file is read once, or, where its rate varies, every one of its
    dense stretches: elsewhere pictures are then held.

    Args:
        times: float64 [T], when pictures are shown, ascending from 0.
        end: when the last one ends.
        known: rates that the file names.
    """
    if len(times) < 2:
        return float(known[0]) if known else 25.0
    measured = (len(times) - 1) / float(times[-1])
    places = np.arange(len(times))
    for candidates in (_USUAL, [*known, Fraction(measured)]):
        aside = [max(_ROUNDED / 2, float(np.abs(times - places / float(rate)).max())) for rate in candidates]
        rate = float(candidates[int(np.argmin(aside))])
        if min(aside) <= _UNEVEN / rate + _ROUNDED:
            return rate
    return _usual(_dense_rate(times, end))


def _dense_rate(times: np.ndarray, end: float) -> float:
    """Of the stretches where pictures are densest; a short burst is none."""
    low, high = np.maximum(times - _WINDOW / 2, 0.0), np.minimum(times + _WINDOW / 2, max(end, times[-1]))
    local = (np.searchsorted(times, high) - np.searchsorted(times, low)) / np.maximum(high - low, _WINDOW / 4)
    dense = local[:-1] >= 0.8 * np.percentile(local, 90)
    steps = np.diff(times)[dense]
    usual = np.median(steps)
    steps = steps[(steps > 0.6 * usual) & (steps < 1.4 * usual)]  # a hole in a dense stretch, or a burst
    return float(1 / steps.mean())


def _usual(rate: float) -> float:
    near = min(_USUAL, key=lambda usual: abs(float(usual) - rate))
    return float(near) if abs(float(near) - rate) <= 0.02 * rate else rate
