"""Sound frames of any format to one layout of channels and one rate."""

from __future__ import annotations

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler


class Mixer:
    """Mixes frames to one layout and resamples them; follows changes of format inside a stream."""

    def __init__(self, sample_rate: int, layout: str) -> None:
        """Args: the rate (Hz) and FFmpeg's name of the layout wanted."""
        self.sample_rate = sample_rate
        self.layout = AudioLayout(layout)
        self._resampler: AudioResampler | None = None
        self._format: tuple | None = None

    def mix(self, frame: AudioFrame) -> np.ndarray:
        """The samples, float32 [channels, n], that have become ready."""
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        late = self.flush() if given != self._format else self.silence(0)
        if self._resampler is None:
            # Integer output makes FFmpeg scale a down-mix so that it cannot clip; float output does not.
            self._resampler = AudioResampler(format="s32p", layout=self.layout, rate=self.sample_rate)
            self._format = given
        frame.pts = None  # places are kept by the caller; FFmpeg must not stretch sound to follow timestamps
        return np.concatenate([late, *map(_samples, self._resampler.resample(frame))], axis=1)

    def flush(self) -> np.ndarray:
        """The samples, float32 [channels, n], still inside; the next frame starts afresh."""
        if self._resampler is None:
            return self.silence(0)
        rest = self._resampler.resample(None)
        self._resampler = None
        return np.concatenate([self.silence(0), *map(_samples, rest)], axis=1)

    def silence(self, count: int) -> np.ndarray:
        """float32 [channels, count]."""
        return np.zeros((self.layout.nb_channels, count), np.float32)


def _samples(frame: AudioFrame) -> np.ndarray:
    return (frame.to_ndarray() * (1.0 / 2**31)).astype(np.float32)
