"""The sync expert: do these lips belong to this sound, and if not, how far are they apart?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from audio_motion.models.generator import FEATURES_PER_MOTION
from audio_motion.topology import INNER_LOWER_LIP, INNER_UPPER_LIP, MOUTH, MOUTH_CORNERS

_CHIN_TIP = [7, 8, 9]
MOTION_CHANNELS = 3 * 20 + 3 + 1 + 3
"""What the motion tower sees of the 204 coordinates: the mouth's, the inner lips' three gaps, its width, the chin."""


@dataclass(frozen=True)
class SyncConfig:
    """Size of the sync expert."""

    features: int = 83
    """Channels of the speech features."""
    hidden: int = 96
    """Width of both towers."""
    layers: int = 3
    """Residual convolutions of each tower, 5 frames wide."""
    embedding: int = 32
    """Width of an embedding."""
    dropout: float = 0.3
    """Share of the values that dropout sets to 0 in training."""


class SyncExpert(nn.Module):
    """Two towers that put speech and mouth motion into one space, a unit vector for each motion frame (25 Hz).

    After SyncNet (Chung and Zisserman, ACCV-W 2016) and its landmark form in GeneFace (Ye et al., ICLR 2023), but
    convolutional along time, so that a clip of any length is embedded once and compared at every lag, and without
    batch normalisation, whose running statistics drifted when GeneFace's "frozen" expert was used as a loss.
    """

    feature_mean: Tensor
    feature_spread: Tensor

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.features, 1))
        self.register_buffer("feature_spread", torch.ones(config.features, 1))
        self.hearing = _Tower(config, nn.Conv1d(config.features, config.hidden, 4, stride=2, padding=2))
        self.seeing = _Tower(config, nn.Conv1d(MOTION_CHANNELS, config.hidden, 3, padding=1))
        self.sharpness = nn.Parameter(torch.tensor(2.3))
        """Logarithm of what similarities are multiplied by before they compete."""

    @property
    def reach(self) -> int:
        """Motion frames of sound to either side that an embedding depends on."""
        return 1 + 2 * self.config.layers

    def hear(self, features: Tensor) -> Tensor:
        """Speech features [B, C, 2T] at 50 Hz -> unit vectors [B, embedding, T]."""
        frames = features.shape[-1] // FEATURES_PER_MOTION
        return self.hearing((features - self.feature_mean) / self.feature_spread)[..., :frames]

    def hear_whole(self, features: Tensor, silence: Tensor) -> Tensor:
        """As `hear`, of a sound from its beginning to its end: silence ([C] features) is heard before and after it."""
        around = silence[None, :, None].expand(len(features), -1, self.reach * FEATURES_PER_MOTION)
        return self.hear(torch.cat([around, features, around], dim=2))[..., self.reach : -self.reach]

    def see(self, motion: Tensor) -> Tensor:
        """Motion [B, 204, T] at 25 Hz, in units of the speaker's own scale -> unit vectors [B, embedding, T]."""
        return self.seeing(mouth_channels(motion))


class _Tower(nn.Module):
    def __init__(self, config: SyncConfig, enter: nn.Conv1d) -> None:
        super().__init__()
        self.enter = enter
        self.layers = nn.ModuleList(nn.Conv1d(config.hidden, config.hidden, 5, padding=2) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        self.leave = nn.Conv1d(config.hidden, config.embedding, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for layer in self.layers:
            x = x + layer(self.dropout(gelu(x)))
        return normalize(self.leave(gelu(x)), dim=1)


def mouth_channels(motion: Tensor) -> Tensor:
    """Motion [B, 204, T] -> what the motion tower sees of it, [B, MOTION_CHANNELS, T]."""
    points = motion.unflatten(1, (68, 3))
    gaps = points[:, INNER_UPPER_LIP, 1] - points[:, INNER_LOWER_LIP, 1]
    left, right = MOUTH_CORNERS
    width = points[:, [right], 0] - points[:, [left], 0]
    return torch.cat([points[:, MOUTH].flatten(1, 2), gaps, width, points[:, _CHIN_TIP, 1]], dim=1)


def similarity_at_lags(heard: Tensor, seen: Tensor, reach: int) -> Tensor:
    """How well each motion frame agrees with the sound around it.

    Args:
        heard, seen: unit vectors [B, embedding, T].
        reach: greatest lag in motion frames.

    Returns:
        cosines [B, 2 reach + 1, T]: entry (k, t) compares motion t with sound t + k - reach; NaN where there is no
        such sound. A maximum at k > reach means that the sound comes late.
    """
    frames = seen.shape[-1]
    result = seen.new_full((len(seen), 2 * reach + 1, frames), torch.nan)
    for lag in range(-reach, reach + 1):
        first, last = max(0, -lag), min(frames, frames - lag)
        if first < last:
            both = seen[..., first:last] * heard[..., first + lag : last + lag]
            result[:, lag + reach, first:last] = both.sum(dim=1)
    return result
