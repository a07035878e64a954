"""The built-in speech features: log-mel, pitch, voicing and energy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from audio_motion.features.frames import HOP, RATE, empty, frame_count
from audio_motion.features.held import Held
from audio_motion.features.mel import BINS, log_mel
from audio_motion.features.prosody import CONTEXT, PROSODY, prosody

_AT_ONCE = 3000
"""Frames computed at once: the pitch of a minute takes 150 MB."""


@dataclass(frozen=True)
class Acoustic:
    """Log-mel, pitch, voicing and energy: the built-in kind of `features.interface.SpeechFeatures`.

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

    def extract(self, samples: np.ndarray) -> torch.Tensor:
        """float32 [S] mono 16 kHz -> float32 [ceil(S / 320), 83]."""
        parts = list(self.stream([samples]))
        return torch.cat(parts) if parts else empty(self.channels)

    def stream(self, chunks: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
        """As `SpeechFeatures.stream`; every frame comes as soon as its window is there."""
        held, done = Held(np.zeros(0, np.float32)), 0
        for chunk in chunks:
            held.add(chunk)
            ready = held.end // HOP - CONTEXT
            if ready > done:
                yield from _frames(held, done, ready)
                done = ready
        yield from _frames(held, done, frame_count(held.end))


MEL = Acoustic()
"""There is only one."""


def _frames(held: Held, first: int, stop: int) -> Iterator[torch.Tensor]:
    """Features of the frames from `first` to `stop`, [n, 83] at a time; the sound before them is given up."""
    while first < stop:
        last = min(first + _AT_ONCE, stop)
        sound = torch.from_numpy(held.part((first - CONTEXT) * HOP, (last + CONTEXT) * HOP))
        yield torch.cat([log_mel(sound), prosody(sound)], dim=1)[CONTEXT:-CONTEXT]
        first = last
        held.forget((first - CONTEXT) * HOP)
