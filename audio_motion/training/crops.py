"""Random pieces of recordings, the batches of every training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.features.acoustic import MEL, heard_otherwise
from audio_motion.features.interface import SpeechFeatures
from audio_motion.features.mel import BINS
from audio_motion.models.generator import FEATURES_PER_MOTION
from audio_motion.topology import MIRROR
from audio_motion.training.recordings import Recording

_MIRROR = torch.as_tensor(MIRROR)
_ACROSS = torch.tensor([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Batch:
    """Pieces of recordings, all of one length."""

    motion: Tensor
    """[B, 204, T] at 25 Hz, in spreads of their speakers."""
    features: Tensor
    """[B, C, 2T] at 50 Hz."""
    valid: Tensor
    """bool [B, T]."""


class Crops:
    """Draws pieces of `length` motion frames, each recording as often as it is long.

    Half of the faces are mirrored, and the built-in features are heard through another microphone each time: both
    leave the speech as it was, and keep a network from learning a person's or a recording's peculiarities.
    """

    def __init__(self, recordings: Sequence[Recording], length: int, features: SpeechFeatures) -> None:
        self.recordings = recordings
        self.length = length
        self.other_microphones = features is MEL
        """Encoders' features cannot be re-recorded after the fact."""
        self.starts = np.cumsum([0] + [max(1, len(r.offsets) - length + 1) for r in recordings])

    def draw(self, count: int) -> Batch:
        """`count` pieces by torch's generator; what is shorter than the length is filled up and marked invalid."""
        picks = torch.randint(int(self.starts[-1]), (count,)).numpy()
        which = np.searchsorted(self.starts, picks, side="right") - 1
        motion, features, valid = [], [], []
        for number, start in zip(which, picks - self.starts[which], strict=True):
            source, end = self.recordings[number], start + self.length
            motion.append(filled(source.offsets[start:end] / source.face.spread, self.length))
            heard = source.features[start * FEATURES_PER_MOTION : end * FEATURES_PER_MOTION]
            features.append(filled(heard, self.length * FEATURES_PER_MOTION))
            valid.append(filled(source.valid[start:end], self.length))
        points = torch.stack(motion)
        mirrored = torch.rand(count) < 0.5
        points[mirrored] = points[mirrored][:, :, _MIRROR] * _ACROSS
        heard = torch.stack(features)
        if self.other_microphones:
            gain, tilt = torch.rand(2, count) * torch.tensor([[16.0], [8.0]]) - torch.tensor([[8.0], [4.0]])
            heard = mask(heard_otherwise(heard, gain, tilt, -90.0 + 30.0 * torch.rand(count)))
        return Batch(points.flatten(2).transpose(1, 2), heard.transpose(1, 2), torch.stack(valid))


def mask(features: Tensor) -> Tensor:
    """Silence a random band and a random moment of each piece (SpecAugment, Park et al., 2019): [B, T, 83] -> the same,
    up to 12 neighbouring mel bins and up to 8 neighbouring frames set to 0, the centre of their range."""
    count, frames, _ = features.shape
    kept = torch.ones(count, frames, features.shape[-1], dtype=torch.bool)
    for axis, length, widest in ((2, BINS, 12), (1, frames, 8)):
        width = torch.randint(widest + 1, (count, 1))
        start = torch.randint(length - widest, (count, 1)) if length > widest else torch.zeros(count, 1)
        place = torch.arange(features.shape[axis])
        inside = (place >= start) & (place < start + width)
        kept &= ~(inside[:, None, :] if axis == 2 else inside[:, :, None])
    return features * kept


def feature_statistics(recordings: Sequence[Recording]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every feature channel, [C, 1] each."""
    total = sum(len(r.features) for r in recordings)
    mean = torch.stack([r.features.double().sum(dim=0) for r in recordings]).sum(dim=0) / total
    square = torch.stack([(r.features.double() - mean).square().sum(dim=0) for r in recordings]).sum(dim=0) / total
    return mean.float()[:, None], square.sqrt().float().clamp(min=1e-3)[:, None]


def filled(part: Tensor, length: int) -> Tensor:
    """[t, ...] -> [length, ...], zeros at the end."""
    missing = length - len(part)
    return part if missing == 0 else torch.cat([part, part.new_zeros(missing, *part.shape[1:])])
