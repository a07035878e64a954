"""Whether generated motion is as lively as people's: `audio_motion.evaluation.naturalness` over many recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from audio_motion.data.recording import Recording
from audio_motion.evaluation.measures import across_seeds, variance_ratio
from audio_motion.evaluation.naturalness import LEAST, Naturalness, mean, naturalness, score
from audio_motion.evaluation.predictors import Predictor
from audio_motion.features.prosody import loudness_of
from audio_motion.models.generator import FEATURES_PER_MOTION, MOTION_RATE
from audio_motion.topology import mouth_opening

FILMED = "filmed"
SEEDS = 3
"""Performances of each recording that are compared with each other."""
Seeded = Callable[[int], Predictor]
"""What speaks with a seed."""


def natural(
    recordings: Sequence[Recording], predictors: Mapping[str, Predictor], seeded: Mapping[str, Seeded]
) -> dict[str, dict[str, float]]:
    """How lively motion is beside the speakers' own.

    Args:
        recordings: too short ones are left out.
        predictors: what is measured without seeds.
        seeded: what is measured with several; seed 0 in all but `seeds`.

    Returns:
        under `FILMED` the five figures of the speakers, means weighted by frames. For all others the five scores;
        `expression_variance`, of all points, made over real, the mean over recordings; and, of what is seeded, `seeds`:
        how far the mouth's opening differs between seeds over how far it moves. Empty where no recording is long
        enough.
    """
    kept = [r for r in recordings if r.valid.sum() >= LEAST * MOTION_RATE]
    if not kept:
        return {}
    weights = [float(r.valid.sum()) for r in kept]
    real = mean([_figures(r, r.offsets.numpy()) for r in kept], weights)
    rows = {FILMED: asdict(real)}
    for name, predict in {**predictors, **{name: of(0) for name, of in seeded.items()}}.items():
        made = [predict(r) for r in kept]
        ratios = [
            variance_ratio([offsets[r.valid.numpy()]], [r.offsets[r.valid].numpy()])
            for r, offsets in zip(kept, made, strict=True)
        ]
        figures = mean([_figures(r, offsets) for r, offsets in zip(kept, made, strict=True)], weights)
        rows[name] = asdict(score(figures, real)) | {"expression_variance": float(np.average(ratios, weights=weights))}
    for name, of in seeded.items():
        spreads = [across_seeds(np.stack([_opening(r, of(seed)(r)) for seed in range(SEEDS)])) for r in kept]
        rows[name]["seeds"] = float(np.average(spreads, weights=weights))
    return rows


def loudness_at_frames(recording: Recording) -> np.ndarray:
    """dB of the sound at each motion frame, float64 [T]: motion frame k lies between the features 2k - 1 and 2k."""
    heard = loudness_of(recording.features).double().numpy()
    before = np.concatenate([heard[:1], heard[FEATURES_PER_MOTION - 1 : -1 : FEATURES_PER_MOTION]])
    return (before + heard[::FEATURES_PER_MOTION]) / 2


def _opening(recording: Recording, offsets: np.ndarray) -> np.ndarray:
    return mouth_opening(recording.face.mean + offsets[recording.valid.numpy()])


def _figures(recording: Recording, offsets: np.ndarray) -> Naturalness:
    landmarks = np.where(recording.valid.numpy()[:, None, None], recording.face.mean + offsets, np.nan)
    return naturalness(landmarks, loudness_at_frames(recording), MOTION_RATE)
