"""What a frozen generator says to recordings: made once before a post-net's training, so that a step costs little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.models.checkpoint import TrainedGenerator
from audio_motion.models.generator import FEATURES_PER_MOTION, STRIDE
from audio_motion.training.crops import filled
from audio_motion.training.recordings import Recording


@dataclass(frozen=True)
class Takes:
    """A recording, and the generator's motion for its speech, several times with other noise."""

    recording: Recording
    made: Tensor
    """float32 [takes, T, 204] at 25 Hz in spreads, enlarged as in use."""

    def truth(self, span: slice = slice(None)) -> Tensor:
        """[t, 204]: the recording's own motion, in spreads of its person."""
        return (self.recording.offsets[span] / self.recording.face.spread).flatten(1)


def make_takes(
    generator: TrainedGenerator, recordings: Sequence[Recording], count: int, temperature: float, seed: int
) -> list[Takes]:
    """Let the generator speak every recording's speech `count` times; the noise depends on the seed alone."""
    generator.model.eval()
    source = torch.Generator().manual_seed(seed)
    found = []
    for recording in recordings:
        size = (count, generator.model.config.latent, len(recording.offsets) // STRIDE)
        noise = temperature * torch.randn(size, generator=source)
        motion = [generator.motion(recording.features, one, generator.amplitude).flatten(1).cpu() for one in noise]
        found.append(Takes(recording, torch.stack(motion)))
    return found


@dataclass(frozen=True)
class Pieces:
    """Pieces of takes, all of one length."""

    made: Tensor
    """[B, 204, T]: the generator's motion."""
    inside: Tensor
    """bool [B, T]: frames of the recording, not filled up."""
    truth: Tensor
    """[B, 204, T]: the recorded motion, in spreads of its person."""
    valid: Tensor
    """bool [B, T]: where that is known."""
    features: Tensor
    """[B, C, 2T] at 50 Hz."""


class TakeCrops:
    """Draws pieces of `length` motion frames, each recording as often as it is long; never mirrored, since a person's
    asymmetry is to be learnt."""

    def __init__(self, takes: Sequence[Takes], length: int) -> None:
        self.takes = takes
        self.length = length
        self.starts = np.cumsum([0] + [max(1, t.made.shape[1] - length + 1) for t in takes])

    def draw(self, count: int) -> Pieces:
        """`count` pieces by torch's generator; what is shorter than the length is filled up."""
        picks = torch.randint(int(self.starts[-1]), (count,)).numpy()
        shares = torch.rand(count)
        which = np.searchsorted(self.starts, picks, side="right") - 1
        parts: list[tuple[Tensor, ...]] = []
        for number, start, share in zip(which, picks - self.starts[which], shares, strict=True):
            source, span = self.takes[number], slice(start, start + self.length)
            heard = source.recording.features[span.start * FEATURES_PER_MOTION : span.stop * FEATURES_PER_MOTION]
            made = source.made[int(share * len(source.made)), span]
            valid = source.recording.valid[span]
            frames = (made, torch.ones_like(valid), source.truth(span), valid)
            parts.append((*(filled(x, self.length) for x in frames), filled(heard, self.length * FEATURES_PER_MOTION)))
        made, inside, truth, valid, heard = (torch.stack(column) for column in zip(*parts, strict=True))
        return Pieces(made.transpose(1, 2), inside, truth.transpose(1, 2), valid, heard.transpose(1, 2))
