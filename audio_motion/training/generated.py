"""A frozen generator's motion for recordings: made once before a post-net's training, so that a step costs little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.crops import crop_starts, draw_crop, padded
from audio_motion.data.recording import Recording
from audio_motion.models.checkpoint import TrainedGenerator
from audio_motion.models.generator import FEATURES_PER_MOTION, STRIDE
from audio_motion.models.noise import performance_noise


@dataclass(frozen=True)
class GeneratedMotion:
    """A recording, and samples of the generator's motion for its speech, each with other noise."""

    recording: Recording
    samples: Tensor
    """float32 [N, T, 204] at 25 Hz in units of a scale, enlarged as in use."""

    @property
    def truth(self) -> Tensor:
        """[T, 204]: the recording's own motion, in units of its person's scale."""
        return self.recording.motion[0].T


def generate_motion(
    generator: TrainedGenerator, recordings: Sequence[Recording], count: int, temperature: float, seed: int
) -> list[GeneratedMotion]:
    """`count` samples for every recording's speech; the noise depends on the seed alone."""
    generator.model.eval()
    seeds, found = np.random.default_rng(seed), []
    for recording in recordings:
        latent, places = generator.model.config.latent, np.arange(0, len(recording.offsets), STRIDE)
        noise = (temperature * performance_noise(latent, places, int(s)) for s in seeds.integers(2**31, size=count))
        motion = [generator.motion_of_whole(recording.features, one, generator.amplitude) for one in noise]
        found.append(GeneratedMotion(recording, torch.stack(motion).flatten(2).cpu()))
    return found


@dataclass(frozen=True)
class PairedBatch:
    """Crops of generated motion and of what was recorded, all of one length."""

    made: Tensor
    """[B, 204, T]: the generator's motion."""
    inside: Tensor
    """bool [B, T]: frames of the recording, not filled up."""
    truth: Tensor
    """[B, 204, T]: the recorded motion, in units of its person's scale."""
    valid: Tensor
    """bool [B, T]: where that is known."""
    features: Tensor
    """[B, C, 2T] at 50 Hz."""


class PairedCropSampler:
    """Draws crops of `length` motion frames, each recording as often as it is long; never mirrored, since a person's
    asymmetry is to be learnt."""

    def __init__(self, generated: Sequence[GeneratedMotion], length: int) -> None:
        self.generated = generated
        self.length = length
        self.starts = crop_starts([g.samples.shape[1] for g in generated], length)

    def draw(self, rngs: Sequence[np.random.Generator]) -> PairedBatch:
        """A crop by each of the generators of random numbers; what is shorter than the length is filled up."""
        rows: list[tuple[Tensor, ...]] = []
        for rng in rngs:
            number, start = draw_crop(self.starts, rng)
            source, span = self.generated[number], slice(start, start + self.length)
            recording = source.recording
            heard = recording.features[span.start * FEATURES_PER_MOTION : span.stop * FEATURES_PER_MOTION]
            made = source.samples[int(rng.integers(len(source.samples))), span]
            truth, valid = (recording.offsets[span] / recording.face.scale).flatten(1), recording.valid[span]
            frames = (padded(x, self.length) for x in (made, torch.ones_like(valid), truth, valid))
            rows.append((*frames, padded(heard, self.length * FEATURES_PER_MOTION, recording.silence)))
        made, inside, truth, valid, heard = (torch.stack(column) for column in zip(*rows, strict=True))
        return PairedBatch(made.transpose(1, 2), inside, truth.transpose(1, 2), valid, heard.transpose(1, 2))
