"""Pitch, voicing and energy of speech."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from audio_motion.features.frames import windows

PROSODY = 3
"""Channels of `prosody`: the last ones of every kind of speech features."""
CONTEXT = 2
"""Frames of sound on either side of a chunk that make its prosody equal to the whole's (to within 1e-4)."""
WINDOW = 1024
"""Samples; 64 ms hold four periods of the lowest pitch."""
LOWEST, HIGHEST = 62.5, 400.0
"""Hz."""
_REFERENCE = 160.0
"""Hz; the pitch whose channel is 0."""
_USUAL, _HALF_RANGE = -45.0, 20.0
"""dB; centre and half-range of the energy channel."""
_QUIET = 1e-5
"""Added to the windows' energy (-50 dB over the window) so that faint noise does not count as voiced."""


def prosody(samples: Tensor) -> Tensor:
    """[S] 16 kHz in [-1, 1] -> [T, 3]: pitch, voicing, energy, each about within [-2, 2]; see the functions below."""
    return torch.cat([pitch_and_voicing(samples), energy_of(loudness(samples))[:, None]], dim=1)


def loudness_of(features: Tensor) -> Tensor:
    """The loudness that the last channel of any speech features [..., C] holds, in dB: [...]."""
    return features[..., -1] * _HALF_RANGE + _USUAL


def energy_of(loudness: Tensor) -> Tensor:
    """Turns `loudness_of` round: dB [...] -> the value of the energy channel [...]."""
    return (loudness - _USUAL) / _HALF_RANGE


def pitch_and_voicing(samples: Tensor) -> Tensor:
    """Pitch by normalised autocorrelation (as in Talkin's RAPT, 1995, without its tracking over time).

    Args:
        samples: [S] 16 kHz in [-1, 1].

    Returns:
        [T, 2]: pitch in octaves from 160 Hz times voicing, so that it fades to 0 where there is none; voicing 0 to 1.
        A frame depends on 1024 samples around its centre and on nothing else.
    """
    shortest, longest = int(16000 / HIGHEST), int(16000 / LOWEST)
    frames = windows(samples, WINDOW)
    frames = frames - frames.mean(dim=1, keepdim=True)
    lags = torch.arange(shortest, longest + 1)
    base = WINDOW - longest
    head = frames[:, :base]
    products = torch.fft.irfft(
        torch.fft.rfft(frames, 2 * WINDOW) * torch.fft.rfft(head, 2 * WINDOW).conj(), 2 * WINDOW
    )[:, lags]
    sums = torch.nn.functional.pad(frames.double().square().cumsum(dim=1), (1, 0))
    energy = (sums[:, lags + base] - sums[:, lags]).float()
    head_energy = sums[:, base : base + 1].float()
    similarity = products / torch.sqrt((head_energy + base * _QUIET) * (energy + base * _QUIET))
    # A period's multiples fit nearly as well as the period: prefer short lags slightly.
    score = similarity * (1.0 - 0.15 * (lags - shortest) / (longest - shortest))
    best = score.argmax(dim=1)
    voicing = similarity.gather(1, best[:, None])[:, 0].clamp(0, 1)
    octaves = torch.log2(16000.0 / lags[best] / _REFERENCE)
    return torch.stack([octaves * voicing, voicing], dim=1)


def loudness(samples: Tensor) -> Tensor:
    """Root mean square in dB of full scale, at least -90: [S] 16 kHz -> [T], over 512 samples around each centre."""
    power = windows(samples, 512).square().mean(dim=1)
    return 10.0 / math.log(10.0) * torch.log(power + 1e-9)
