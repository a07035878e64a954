"""Random pieces of recordings, the batches of every training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.features.acoustic import MEL
from audio_motion.features.interface import SpeechFeatures
from audio_motion.models.generator import FEATURES_PER_MOTION
from audio_motion.topology import MIRROR
from audio_motion.training.recordings import Recording
from audio_motion.training.variety import Variety, at_tempo

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

    Half of the faces are mirrored, and every piece is varied (`variety.Variety`): that leaves the speech as it was, and
    keeps a network from learning a person's or a recording's peculiarities.
    """

    def __init__(
        self, recordings: Sequence[Recording], length: int, features: SpeechFeatures, variety: Variety
    ) -> None:
        self.recordings = recordings
        self.length = length
        self.built_in = features is MEL
        """Whether the features are the built-in ones: an encoder's cannot be recorded anew after the fact."""
        self.variety = variety
        self.starts = np.cumsum([0] + [max(1, len(r.offsets) - length + 1) for r in recordings])

    def draw(self, count: int) -> Batch:
        """`count` pieces by torch's generator; what is shorter than the length is filled up and marked invalid."""
        tempos = self.variety.tempos(count).tolist()
        picks = torch.randint(int(self.starts[-1]), (count,)).numpy()
        which = np.searchsorted(self.starts, picks, side="right") - 1
        motion, features, valid = [], [], []
        for number, start, tempo in zip(which, picks - self.starts[which], tempos, strict=True):
            source, stop = self.recordings[number], start + math.ceil(tempo * self.length) + 1
            heard = source.features[start * FEATURES_PER_MOTION : stop * FEATURES_PER_MOTION]
            features.append(at_tempo(heard, tempo, 0.5, self.length * FEATURES_PER_MOTION))
            moved = source.offsets[start:stop].flatten(1) / source.face.spread
            motion.append(at_tempo(moved, tempo, 0.0, self.length))
            known = source.valid[start:stop, None].float()
            valid.append(at_tempo(known, tempo, 0.0, self.length)[:, 0] == 1.0)
        points = torch.stack(motion).unflatten(2, (-1, 3))
        mirrored = torch.rand(count) < 0.5
        points[mirrored] = points[mirrored][:, :, _MIRROR] * _ACROSS
        heard = torch.stack(features)
        if self.built_in:
            heard = self.variety.heard(heard)
        return Batch(points.flatten(2).transpose(1, 2), heard.transpose(1, 2), torch.stack(valid))


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
