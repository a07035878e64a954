"""What a clip's sound tells about whether somebody speaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_motion.media import SAMPLE_RATE

WINDOW = 0.02
"""Seconds of a loudness value."""
SPEECH_RANGE = 30.0
"""Decibels below a clip's loud parts within which speech lies."""
SYLLABLES = (2.0, 8.0)
"""Hz: how often syllables come (Scheirer and Slaney, ICASSP 1997, tell speech from music by the energy around 4 Hz)."""
DEPTH = 40.0
"""Decibels below the loud parts at which loudness is cut off before its swing is measured: pauses have no depth."""


@dataclass(frozen=True)
class Voice:
    """Figures of a sound."""

    level: float
    """Decibels re full scale of the loud parts: 95th percentile of the windows."""
    speech: float
    """Share of the windows within `SPEECH_RANGE` of that."""
    rhythm: float
    """Amplitude in decibels of loudness's swing at the rate of syllables."""


def measure_voice(samples: np.ndarray) -> Voice:
    """Figures of float32 [S] at 16 kHz, at least one window long."""
    hop = round(WINDOW * SAMPLE_RATE)
    power = (samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64) ** 2).mean(axis=1)
    loudness = 10 * np.log10(np.maximum(power, 1e-10))
    level = float(np.percentile(loudness, 95))
    swing = np.maximum(loudness, level - DEPTH)
    taper = np.hanning(len(swing))
    spectrum = np.abs(np.fft.rfft((swing - swing.mean()) * taper)) ** 2
    rates = np.fft.rfftfreq(len(swing), WINDOW)
    inside = (rates >= SYLLABLES[0]) & (rates <= SYLLABLES[1])
    # Parseval: twice the one-sided spectrum over the taper's energy is the variance; its root, the mean swing.
    rhythm = np.sqrt(2 * spectrum[inside].sum() / max((taper**2).sum() * len(swing), 1e-9))
    return Voice(level, float((loudness > level - SPEECH_RANGE).mean()), float(rhythm))
