"""Random crops of recordings, augmented: the batches that the generator and the sync expert are trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.augmentation import Augmentation, at_tempo, draw_perturbation
from audio_motion.data.recording import Recording
from audio_motion.features.interface import SpeechFeatures
from audio_motion.models.generator import FEATURES_PER_MOTION
from audio_motion.topology import MIRROR

_MIRROR = torch.as_tensor(MIRROR)
_ACROSS = torch.tensor([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Batch:
    """Crops of recordings, all of one length."""

    motion: Tensor
    """[B, 204, T] at 25 Hz, in units of the scales of their speakers."""
    features: Tensor
    """[B, C, 2T] at 50 Hz."""
    valid: Tensor
    """bool [B, T]."""


class CropSampler:
    """Draws crops of `length` motion frames, each recording as often as it is long.

    Half of the faces are mirrored, and every crop is augmented: that leaves the speech as it was, and keeps a network
    from learning a person's or a recording's peculiarities.
    """

    def __init__(
        self, recordings: Sequence[Recording], length: int, features: SpeechFeatures, augmentation: Augmentation
    ) -> None:
        self.recordings = recordings
        self.length = length
        self.augmentation = augmentation
        self.perturbable = features.perturbable
        self.starts = crop_starts([len(r.offsets) for r in recordings], length)

    def draw(self, rngs: Sequence[np.random.Generator]) -> Batch:
        """A crop by each of the generators of random numbers; what is shorter than the length is filled up with silence
        and marked invalid."""
        motion, features, valid, mirrored, perturbations = [], [], [], [], []
        for rng in rngs:
            number, start = draw_crop(self.starts, rng)
            tempo = self.augmentation.draw_tempo(rng)
            source, stop = self.recordings[number], start + math.ceil(tempo * self.length) + 1
            heard = source.features[start * FEATURES_PER_MOTION : stop * FEATURES_PER_MOTION]
            features.append(at_tempo(heard, tempo, 0.5, self.length * FEATURES_PER_MOTION, source.silence))
            moved = source.offsets[start:stop].flatten(1) / source.face.scale
            motion.append(at_tempo(moved, tempo, 0.0, self.length))
            known = source.valid[start:stop, None].float()
            valid.append(at_tempo(known, tempo, 0.0, self.length)[:, 0] == 1.0)
            mirrored.append(rng.random() < 0.5)
            perturbations.append(draw_perturbation(rng))
        points = torch.stack(motion).unflatten(2, (-1, 3))
        points[mirrored] = points[mirrored][:, :, _MIRROR] * _ACROSS
        heard = torch.stack(features)
        if self.perturbable:
            heard = self.augmentation.perturb(heard, torch.stack(perturbations))
        return Batch(points.flatten(2).transpose(1, 2), heard.transpose(1, 2), torch.stack(valid))


def crop_starts(lengths: Sequence[int], crop: int) -> np.ndarray:
    """[N + 1]: how many places for a crop there are before each recording, and in all."""
    return np.cumsum([0] + [max(1, length - crop + 1) for length in lengths])


def draw_crop(starts: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Recording and first frame of a crop, every place as likely as any other."""
    pick = int(rng.integers(starts[-1]))
    number = int(np.searchsorted(starts, pick, side="right")) - 1
    return number, pick - int(starts[number])


def padded(rows: Tensor, length: int, beyond: Tensor | float = 0.0) -> Tensor:
    """[t, ...] -> [length, ...], the rows after the end all `beyond`."""
    missing = rows.new_zeros(length - len(rows), *rows.shape[1:])
    return torch.cat([rows, missing + torch.as_tensor(beyond).to(rows.dtype)])
