"""Speech features that are a spectrum: log-mel, pitch, voicing and energy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from audio_motion.features.frames import HOP, RATE, empty, frame_count
from audio_motion.features.mel import BINS, log_mel
from audio_motion.features.prosody import CONTEXT, PROSODY, prosody
from audio_motion.features.stream_buffer import StreamBuffer

_AT_ONCE = 3000
"""Frames computed at once: the pitch of a minute takes 150 MB."""


@dataclass(frozen=True)
class Acoustic:
    """Log-mel, pitch, voicing and energy: a kind of `features.interface.SpeechFeatures`.

    Normalisation is by fixed numbers, never by the utterance: a chunk with `prosody.CONTEXT` frames of sound on either
    side gives what the whole gives.
    """

    name: str = "acoustic-1"
    """Changes whenever the numbers do."""
    spec: str = "mel"
    channels: int = BINS + PROSODY
    """80 log-mel bins, pitch, voicing, energy; all about within [-2, 2]."""
    look_ahead: float = CONTEXT / RATE
    """Seconds."""
    normalised: bool = True
    perturbable: bool = True

    @property
    def silence(self) -> torch.Tensor:
        """float32 [83]: a frame without any sound."""
        return _silence()

    def extract(self, samples: np.ndarray) -> torch.Tensor:
        """float32 [S] mono 16 kHz -> float32 [ceil(S / 320), 83]."""
        parts = list(self.stream([samples]))
        return torch.cat(parts) if parts else empty(self.channels)

    def of_moment(self, samples: np.ndarray) -> torch.Tensor:
        """As `SpeechFeatures.of_moment`."""
        return self.extract(samples)

    def stream(self, chunks: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
        """As `SpeechFeatures.stream`; every frame comes as soon as its window is there."""
        buffer, done = StreamBuffer(np.zeros(0, np.float32)), 0
        for chunk in chunks:
            buffer.add(chunk)
            ready = buffer.end // HOP - CONTEXT
            if ready > done:
                yield from _frames(buffer, done, ready)
                done = ready
        yield from _frames(buffer, done, frame_count(buffer.end))


MEL = Acoustic()
"""There is only one."""


@lru_cache(maxsize=1)
def _silence() -> torch.Tensor:
    return MEL.extract(np.zeros(HOP, np.float32))[0]


def _frames(buffer: StreamBuffer, first: int, stop: int) -> Iterator[torch.Tensor]:
    """Features of the frames from `first` to `stop`, [n, 83] at a time; the sound before them is given up."""
    while first < stop:
        last = min(first + _AT_ONCE, stop)
        sound = torch.from_numpy(buffer.rows((first - CONTEXT) * HOP, (last + CONTEXT) * HOP))
        yield torch.cat([log_mel(sound), prosody(sound)], dim=1)[CONTEXT:-CONTEXT]
        first = last
        buffer.forget((first - CONTEXT) * HOP)
