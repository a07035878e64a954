"""Ways from speech features to motion: a trained generator, and the simple ones that it must beat."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.recording import Recording
from audio_motion.models.checkpoint import TrainedGenerator
from audio_motion.models.generator import FEATURES_PER_MOTION, STRIDE, TEMPERATURE
from audio_motion.models.noise import performance_noise
from audio_motion.postprocess import part_lips
from audio_motion.predict import Generator

Predictor = Callable[[Recording], np.ndarray]
"""Motion for a recording's features: offsets [T, 68, 3] in template units."""

_BESIDE = 12
"""Motion frames beside a recording that post-processing may look at."""
REACH = 6
"""Motion frames of speech before and after that the baselines hear (0.24 s)."""


def speak(
    trained: TrainedGenerator, temperature: float = TEMPERATURE, amplitude: float | None = None, seed: int = 0
) -> Predictor:
    """A generator with its amplitude and parted lips, without post-net and without the rest of the post-processing.

    Args:
        amplitude: of the opening, by default the one that validation found; 1 leaves the motion as it was learnt.
    """
    times = trained.amplitude if amplitude is None else amplitude

    def predict(recording: Recording) -> np.ndarray:
        places = np.arange(0, len(recording.offsets), STRIDE)
        noise = temperature * performance_noise(trained.model.config.latent, places, seed)
        motion = trained.motion_of_whole(recording.features, noise, times).cpu().numpy()
        offsets = motion * np.float32(trained.face.scale)
        return part_lips(offsets + recording.face.mean) - recording.face.mean

    return predict


def chain(trained: TrainedGenerator, temperature: float = TEMPERATURE, seed: int = 0) -> Predictor:
    """A generator with all of its post-processing, as `audio-motion predict` without a post-net. Nobody blinks."""
    speaker = Generator(trained)
    around = STRIDE * math.ceil((trained.model.context + _BESIDE) / STRIDE)

    def predict(recording: Recording) -> np.ndarray:
        silence = recording.silence.expand(around * FEATURES_PER_MOTION, -1)
        features = torch.cat([silence, recording.features, silence])
        places = np.arange(-around, len(recording.offsets) + around, STRIDE)
        noise = temperature * performance_noise(trained.model.config.latent, places, seed)
        offsets = speaker.offsets(features, noise)[around : around + len(recording.offsets)]
        return part_lips(offsets + recording.face.mean) - recording.face.mean

    return predict


def mean_face() -> Predictor:
    """No motion at all."""
    return lambda recording: np.zeros(tuple(recording.offsets.shape), np.float32)


def ridge(recordings: Sequence[Recording], scale: float, strength: float = 300.0) -> Predictor:
    """Linear regression, with a penalty, from a window of features to motion.

    Args:
        scale: of the motion that is predicted (`FaceStatistics.scale`).
        strength: of the penalty, for standardised features.
    """
    mean, deviation = _statistics(recordings)
    size = recordings[0].features.shape[1] * (2 * REACH + 1) + 1
    square, mixed = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, 204, dtype=torch.float64)
    for recording in recordings:
        heard = _heard(recording, mean, deviation)[recording.valid].double()
        motion = (recording.offsets[recording.valid] / recording.face.scale).flatten(1).double()
        square += heard.T @ heard
        mixed += heard.T @ motion
    weights = torch.linalg.solve(square + strength * torch.eye(size, dtype=torch.float64), mixed).float()

    def predict(recording: Recording) -> np.ndarray:
        motion = _heard(recording, mean, deviation) @ weights
        return motion.unflatten(1, (68, 3)).numpy() * np.float32(scale)

    return predict


def nearest_neighbour(recordings: Sequence[Recording], scale: float, most: int = 20_000) -> Predictor:
    """The motion of the training moment whose speech is most alike; of `most` moments evenly apart."""
    mean, deviation = _statistics(recordings)
    heard = torch.cat([_heard(r, mean, deviation)[r.valid] for r in recordings])
    motion = torch.cat([r.offsets[r.valid] / r.face.scale for r in recordings])
    step = max(1, len(heard) // most)
    heard, motion = heard[::step], motion[::step]
    size = heard.square().sum(dim=1)

    def predict(recording: Recording) -> np.ndarray:
        asked = _heard(recording, mean, deviation)
        best = torch.cat([(size - 2 * part @ heard.T).argmin(dim=1) for part in asked.split(512)])
        return motion[best].numpy() * np.float32(scale)

    return predict


def _statistics(recordings: Sequence[Recording]) -> tuple[Tensor, Tensor]:
    features = torch.cat([recording.features for recording in recordings])
    return features.mean(dim=0), features.std(dim=0).clamp(min=1e-3)


def _heard(recording: Recording, mean: Tensor, deviation: Tensor) -> Tensor:
    """Standardised features around each motion frame, and a 1: [T, C * (2 REACH + 1) + 1]."""
    silence = recording.silence.expand(2 * REACH + 1, -1)
    # Motion frame k lies between the features 2k - 1 and 2k, as in the generator.
    heard = torch.cat([silence, recording.features, silence[: 2 * REACH - 1]])
    pairs = ((heard - mean) / deviation).unflatten(0, (-1, 2)).mean(dim=1)
    windows = pairs.unfold(0, 2 * REACH + 1, 1).flatten(1)
    return torch.cat([windows, windows.new_ones(len(windows), 1)], dim=1)
