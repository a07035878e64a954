"""Augmentation: other voices, rooms and tempos than the few that were filmed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.features.mel import BINS
from audio_motion.features.perturbation import perturb_channel, perturb_voice

_WAVES = 5
"""Half periods of the fastest wave in a random curve over the mel bins."""


@dataclass(frozen=True)
class Augmentation:
    """How far pieces are moved from what was recorded; every piece by other random amounts. 0 leaves a thing as it was.

    All but the tempo is for log-mel features: an encoder's cannot be recorded anew after the fact.
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

    def draw_tempo(self, rng: np.random.Generator) -> float:
        """A random factor on the tempo."""
        return math.exp(self.tempo * rng.uniform(-1.0, 1.0))

    def perturb(self, features: Tensor, drawn: Tensor) -> Tensor:
        """Log-mel features [B, T, 83] as another microphone would hear them from another voice.

        Args:
            drawn: [B, N] of `draw_perturbation`.
        """
        both_ways, level, mask, colour, noise = drawn.split([3, 1, 4, _WAVES, _WAVES], dim=1)
        formants, pitch, gain = (2.0 * both_ways - 1.0).unbind(dim=1)
        features = perturb_voice(features, self.formants * formants, self.pitch * pitch)
        level = self.quietest + (self.loudest - self.quietest) * level
        response, spectrum = smooth_curves(colour, self.colour, 1.0), smooth_curves(noise, self.colour, 2.0)
        features = perturb_channel(features, self.gain * gain, response, level + spectrum)
        return mask_bands_and_frames(features, mask, self.bins, self.frames)


def draw_perturbation(rng: np.random.Generator) -> Tensor:
    """The random numbers of one crop's perturbation, whatever its size: 8 uniform ones, then normal ones."""
    return torch.from_numpy(np.concatenate([rng.random(8), rng.standard_normal(2 * _WAVES)]).astype(np.float32))


NO_AUGMENTATION = Augmentation(
    tempo=0.0, formants=0.0, pitch=0.0, gain=0.0, colour=0.0, quietest=-200.0, loudest=-200.0, bins=0, frames=0
)
"""Nothing is varied."""


def at_tempo(rows: Tensor, factor: float, centre: float, length: int, beyond: Tensor | float = 0.0) -> Tensor:
    """`length` rows, `factor` rows apart, linearly between the rows of [t, C]; after their end come rows of `beyond`.

    Args:
        centre: row i stands for time i + centre, in rows.
        beyond: [C], or a number.
    """
    place = ((torch.arange(length) + centre) * factor - centre).clamp(min=0.0)
    low = place.floor().long()
    missing = rows.new_zeros(max(0, int(low[-1]) + 2 - len(rows)), rows.shape[1])
    rows = torch.cat([rows, missing + beyond])
    return torch.lerp(rows[low], rows[low + 1], (place - low)[:, None])


def smooth_curves(waves: Tensor, size: float, smoothness: float) -> Tensor:
    """Smooth curves over the mel bins, [B, 80] dB.

    Args:
        waves: [B, W] standard normal: how much of each wave there is, the slowest first.
        size: deviation of the slowest wave.
        smoothness: power by which faster waves are smaller.
    """
    numbers = torch.arange(1, waves.shape[1] + 1)
    cosines = torch.cos(numbers[:, None] * torch.linspace(0.0, math.pi, BINS))
    return (waves * size * numbers**-smoothness) @ cosines


def mask_bands_and_frames(features: Tensor, drawn: Tensor, bins: int, frames: int) -> Tensor:
    """A band and a moment of each crop set to 0, the centre of their range: [B, T, 83] -> the same.

    Args:
        drawn: [B, 4] uniform in [0, 1): width and place of the band, width and place of the moment.
    """
    _, length, _ = features.shape
    kept = torch.ones_like(features, dtype=torch.bool)
    (band, left), (moment, start) = drawn[:, :2].T, drawn[:, 2:].T
    for axis, size, widest, width, place in (
        (2, BINS, bins, band, left),
        (1, length, min(frames, length - 1), moment, start),
    ):
        width, first = (width * (widest + 1)).long()[:, None], (place * (size - widest)).long()[:, None]
        index = torch.arange(features.shape[axis])
        inside = (index >= first) & (index < first + width)
        kept &= ~(inside[:, None, :] if axis == 2 else inside[:, :, None])
    return features * kept
