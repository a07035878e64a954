"""Log-mel spectrum of speech."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from audio_motion.features.frames import windows

BINS = 80
WINDOW = 512
LOWEST, HIGHEST = 80.0, 7600.0
"""Hz."""
_FLOOR = 1e-9
"""Mean power of a band, below which it is silence (-90 dB of a full-scale square wave)."""
MEAN, HALF_RANGE = -13.0, 4.0
"""Centre and half-range of the natural logarithm for clean speech at about -25 dB: fixed, so that a chunk is
normalised as the whole is."""


def log_mel(samples: Tensor) -> Tensor:
    """Normalised log-mel power: [S] 16 kHz in [-1, 1] -> [T, 80], about within [-2, 2] for speech.

    A frame depends on 512 samples around its centre and on nothing else.
    """
    spectrum = torch.fft.rfft(windows(samples, WINDOW) * _hann()).abs().square()
    power = spectrum @ _filters() * (2.0 / (WINDOW * _hann().square().sum()))
    return (torch.log(power + _FLOOR) - MEAN) / HALF_RANGE


@lru_cache(maxsize=1)
def centres() -> Tensor:
    """Hz that each bin hears, on average: float32 [80], ascending."""
    hertz = torch.arange(WINDOW // 2 + 1) * (16000.0 / WINDOW)
    return hertz @ _filters() / _filters().sum(dim=0)


@lru_cache(maxsize=1)
def _hann() -> Tensor:
    return torch.hann_window(WINDOW, periodic=True)


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    """float32 [257, 80]: triangles on the Slaney mel scale."""
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(WINDOW // 2 + 1, LOWEST, HIGHEST, BINS, 16000, norm=None, mel_scale="slaney")
