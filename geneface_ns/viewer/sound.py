"""A sound as the viewer plays it: a WAV that every browser seeks exactly, and its waveform."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 24000
"""Hz, mono: speech whole, and 48 kB a second over the wire."""
BARS = 300
"""Of the waveform drawn."""


@dataclass(frozen=True)
class PlayedSound:
    """A mono 16 bit WAV file of `RATE` Hz and what is shown of it."""

    path: Path
    seconds: float
    peaks: tuple[int, ...]
    """Loudest sample of each of at most `BARS` equal parts, 0 to 100."""


def load_played(path: Path) -> PlayedSound:
    """Describe a WAV file that `write_played` or the decoder wrote."""
    with wave.open(str(path)) as file:
        count = file.getnframes()
        samples = np.frombuffer(file.readframes(count), "<i2")
    loud = np.abs(samples.astype(np.float32)) / 327.68
    edges = np.linspace(0, len(loud), min(BARS, max(1, len(loud))) + 1).astype(int)[:-1]
    peaks = np.maximum.reduceat(loud, edges) if len(loud) else np.zeros(1)
    return PlayedSound(path, count / RATE, tuple(int(peak) for peak in peaks))


def silence(path: Path, seconds: float) -> PlayedSound:
    """Write silence, so that what has no sound has the same clock: the browser's."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * max(1, round(seconds * RATE))))
    return load_played(path)
