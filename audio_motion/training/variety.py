"""How much training differs from what was recorded: other voices, rooms and tempos than the few that were filmed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audio_motion.features.mel import BINS
from audio_motion.features.otherwise import other_microphone, other_voice

_WAVES = 5
"""Half periods of the fastest wave in a random curve over the mel bins."""


@dataclass(frozen=True)
class Variety:
    """How far pieces are moved from what was recorded; every piece by other random amounts. 0 leaves a thing as it was.

    All but the tempo is for the built-in features: an encoder's cannot be recorded anew after the fact.
    """

    tempo: float = 0.12
    """Greatest natural logarithm of the factor by which sound and motion are faster or slower."""
    formants: float = 0.15
    """Octaves by which the spectrum is stretched up or down at most."""
    pitch: float = 0.3
    """Octaves by which the pitch is moved up or down at most."""
    gain: float = 8.0
    """dB by which a voice is louder or softer at most."""
    colour: float = 4.0
    """dB, deviation of the slowest wave of a microphone's random frequency response, and of the noise's spectrum."""
    quietest: float = -90.0
    """dB of the noise in the quietest room, per mel bin."""
    loudest: float = -45.0
    """dB of the noise in the loudest room."""
    bins: int = 12
    """Neighbouring mel bins silenced at most (SpecAugment, Park et al., 2019)."""
    frames: int = 8
    """Neighbouring 50 Hz frames silenced at most."""

    def tempos(self, count: int) -> Tensor:
        """Random factors on the tempo, [count]."""
        return torch.exp(self.tempo * _both_ways(count))

    def heard(self, features: Tensor) -> Tensor:
        """Built-in features [B, T, 83] as another microphone would hear them from another voice."""
        count = len(features)
        features = other_voice(features, self.formants * _both_ways(count), self.pitch * _both_ways(count))
        level = self.quietest + (self.loudest - self.quietest) * torch.rand(count, 1)
        colour, noise = random_curves(count, self.colour, 1.0), level + random_curves(count, self.colour, 2.0)
        features = other_microphone(features, self.gain * _both_ways(count), colour, noise)
        return silenced(features, self.bins, self.frames)


AS_RECORDED = Variety(
    tempo=0.0, formants=0.0, pitch=0.0, gain=0.0, colour=0.0, quietest=-200.0, loudest=-200.0, bins=0, frames=0
)
"""Nothing is varied."""


def at_tempo(rows: Tensor, factor: float, centre: float, length: int) -> Tensor:
    """`length` rows, `factor` rows apart, linearly between the rows of [t, C]; zeros beyond their end.

    Args:
        centre: row i stands for time i + centre, in rows.
    """
    place = ((torch.arange(length) + centre) * factor - centre).clamp(min=0.0)
    low = place.floor().long()
    missing = max(0, int(low[-1]) + 2 - len(rows))
    rows = torch.cat([rows, rows.new_zeros(missing, rows.shape[1])])
    return torch.lerp(rows[low], rows[low + 1], (place - low)[:, None])


def random_curves(count: int, size: float, smoothness: float) -> Tensor:
    """Smooth random curves over the mel bins, [count, 80] dB.

    Args:
        size: deviation of the slowest wave.
        smoothness: power by which faster waves are smaller.
    """
    numbers = torch.arange(1, _WAVES + 1)
    waves = torch.cos(numbers[:, None] * torch.linspace(0.0, math.pi, BINS))
    return (torch.randn(count, _WAVES) * size * numbers**-smoothness) @ waves


def silenced(features: Tensor, bins: int, frames: int) -> Tensor:
    """A random band and a random moment of each piece set to 0, the centre of their range: [B, T, 83] -> the same."""
    count, length, channels = features.shape
    kept = torch.ones(count, length, channels, dtype=torch.bool)
    for axis, size, widest in ((2, BINS, bins), (1, length, min(frames, length - 1))):
        width = torch.randint(widest + 1, (count, 1))
        start = torch.randint(size - widest, (count, 1))
        place = torch.arange(features.shape[axis])
        inside = (place >= start) & (place < start + width)
        kept &= ~(inside[:, None, :] if axis == 2 else inside[:, :, None])
    return features * kept


def _both_ways(count: int) -> Tensor:
    return 2.0 * torch.rand(count) - 1.0
