"""Figures that compare generated motion with the speaker's own, one recording at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from audio_motion.data.recording import Recording
from audio_motion.models.syncnet import SyncExpert
from audio_motion.sync import lag_of, lag_scores, sync_accuracy
from audio_motion.topology import MOUTH, mouth_opening, mouth_width

SHUT = 0.25
"""A mouth counts as shut below this quantile of its own opening."""


@dataclass(frozen=True)
class Measures:
    """Figures of one recording, or their mean over several weighted by frames; NaN where there is nothing to say."""

    opening_correlation: float
    """Of the inner lips' opening with the true one."""
    width_correlation: float
    """Of the mouth's width."""
    opening_amplitude: float
    """Standard deviation of the opening over the true one's; 1 is right, towards 0 is the mean face."""
    mouth_error: float
    """Squared error of the 20 mouth points over the mean face's: the share of motion left unexplained."""
    mouth_distance: float
    """Mean distance of the 20 mouth points over the mean face's."""
    face_distance: float
    """The same over all 68 points."""
    jitter: float
    """Root mean square second difference of the mouth points over the true one's; above 1 trembles."""
    sync_accuracy: float
    """How often a second of motion fits its sound better than sound shifted by 0.2 s or more, for the expert."""
    sync_offset: float
    """Seconds by which the expert thinks the sound is late."""


def measure(recording: Recording, offsets: np.ndarray, expert: SyncExpert | None = None) -> Measures:
    """Compare motion with a recording's own on its valid frames.

    Args:
        recording: its mean face is the one that errors are relative to.
        offsets: generated, float32 [T, 68, 3], template units, from the mean face.
        expert: judges sync, if given; made for the recording's features.
    """
    valid, mean = recording.valid.numpy(), recording.face.mean
    truth = recording.offsets.numpy()
    made, true = offsets[valid], truth[valid]
    opening_made, opening = (mouth_opening(mean + x) for x in (made, true))
    width_made, width = (mouth_width(mean + x) for x in (made, true))
    difference = made - true
    run = valid[2:] & valid[1:-1] & valid[:-2]
    trembling = [np.diff(x[:, MOUTH], n=2, axis=0)[run] for x in (offsets, truth)]
    share, offset = np.nan, np.nan
    if expert is not None:
        motion = torch.from_numpy(offsets / recording.face.scale).flatten(1).T[None]
        scores = lag_scores(expert, recording, motion)
        share, windows = sync_accuracy(scores)
        share, offset = (share, lag_of(scores).seconds) if windows else (np.nan, np.nan)
    return Measures(
        opening_correlation=correlation(opening_made, opening),
        width_correlation=correlation(width_made, width),
        opening_amplitude=float(opening_made.std() / max(opening.std(), 1e-9)),
        mouth_error=float(np.square(difference[:, MOUTH]).sum() / max(np.square(true[:, MOUTH]).sum(), 1e-12)),
        mouth_distance=_distance(difference[:, MOUTH]) / max(_distance(true[:, MOUTH]), 1e-9),
        face_distance=_distance(difference) / max(_distance(true), 1e-9),
        jitter=_size(trembling[0]) / max(_size(trembling[1]), 1e-9),
        sync_accuracy=float(share),
        sync_offset=float(offset),
    )


def average(measures: Sequence[Measures], frames: Sequence[int]) -> Measures:
    """Mean of the figures over recordings, weighted by their valid frames; what is NaN is left out."""
    means = {}
    for field in fields(Measures):
        values = np.array([getattr(m, field.name) for m in measures], dtype=np.float64)
        known = np.isfinite(values)
        weights = np.asarray(frames, dtype=np.float64)[known]
        means[field.name] = float(np.average(values[known], weights=weights)) if known.any() else float("nan")
    return Measures(**means)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 where one of the two [T] does not vary (a still mouth follows nothing)."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 1e-12 else 0.0


def opening_deviation(landmarks: np.ndarray) -> float:
    """Standard deviation of the mouth's opening over time, [T, 68, 3] -> face widths. Speakers have 0.01 to 0.03."""
    return float(mouth_opening(landmarks).std())


def closure(opening: np.ndarray, fps: float, bilabials: Sequence[tuple[float, float]], slack: float = 0.04) -> float:
    """Share of the sounds /p b m/ during which the mouth shuts.

    Args:
        opening: [T] of the whole speech, any unit; nan where it is not known.
        bilabials: (start, end) of each in seconds.
        slack: seconds before and after that still count.

    Returns:
        share whose smallest opening lies below the SHUT quantile of all; NaN if there are none.
    """
    limit = np.nanquantile(opening, SHUT)
    shut = []
    for start, end in bilabials:
        first, last = int(np.floor((start - slack) * fps)), int(np.ceil((end + slack) * fps))
        during = opening[max(0, first) : max(0, last + 1)]
        during = during[np.isfinite(during)]
        if len(during):
            shut.append(during.min() <= limit)
    return float(np.mean(shut)) if shut else float("nan")


def variance_ratio(made: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> float:
    """How much performances [T, ...] vary in time over how much the real ones do: variances about each one's own mean,
    summed over channels; nan where the real ones do not vary."""

    def within(performances: Sequence[np.ndarray]) -> float:
        return float(np.mean([p.astype(np.float64).var(axis=0).sum() for p in performances]))

    return within(made) / within(real) if within(real) > 1e-12 else float("nan")


def across_seeds(made: np.ndarray) -> float:
    """Deviation across seeds over deviation in time, [S, T] or [S, T, C]: 0 where a seed changes nothing, near 1 where
    seeds have nothing in common; nan where nothing moves."""
    moving = float(np.mean(made.std(axis=1)))
    return float(np.mean(made.std(axis=0, ddof=1))) / moving if moving > 1e-9 else float("nan")


def _distance(difference: np.ndarray) -> float:
    return float(np.linalg.norm(difference, axis=-1).mean())


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean())) if values.size else 0.0
