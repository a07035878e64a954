"""How far sound and picture are apart, measured with the sync expert."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.recording import Recording, align
from audio_motion.errors import InputError
from audio_motion.lag import Lag
from audio_motion.models.checkpoint import TrainedSyncExpert, load_syncnet
from audio_motion.models.pretrained import PRETRAINED_EXPERT
from audio_motion.models.syncnet import SyncExpert, similarity_at_lags
from audio_motion.sequence import LandmarkSequence

REACH = 15
"""Motion frames: lags up to 0.6 s are looked at."""
SECOND = 25
"""Motion frames of a window whose sync is judged."""
SHIFTED = 5
"""Motion frames from which on a shifted sound counts as out of sync (0.2 s)."""


def estimate_lag(samples: np.ndarray, sequence: LandmarkSequence, expert: TrainedSyncExpert | None = None) -> Lag:
    """The lag of a clip's sound.

    Args:
        samples: float32 [S], 16 kHz, as it lies beside the picture.
        sequence: tracked from the picture, space "head".
        expert: judges; the one that comes with the package if None.

    Returns:
        no evidence (confidence 0) where there are less than 2 s of both.
    """
    judge = expert or _pretrained_expert()
    try:
        recording = align(sequence, samples, judge.features)
    except InputError:
        return Lag(0.0, 0.0)
    return lag_of(lag_scores(judge.model, recording))


@lru_cache(maxsize=1)
def _pretrained_expert() -> TrainedSyncExpert:
    return load_syncnet(PRETRAINED_EXPERT)


@torch.no_grad()
def lag_scores(expert: SyncExpert, recording: Recording, motion: Tensor | None = None) -> Tensor:
    """How well motion fits the sound at every lag.

    Args:
        expert: made for the recording's features.
        motion: [1, 204, T] at 25 Hz, in units of the scale; the recording's own if None.

    Returns:
        cosines [1, 2 REACH + 1, T], NaN where there is no sound or no valid motion; entry REACH + k: the sound k
        frames later.
    """
    device = next(expert.parameters()).device
    heard = expert.hear_whole(recording.speech.to(device), recording.silence.to(device))
    seen = expert.see((recording.motion if motion is None else motion).to(device))
    return similarity_at_lags(heard, seen, REACH).masked_fill(~recording.valid.to(device), torch.nan)


def lag_of(scores: Tensor) -> Lag:
    """The lag with the best mean score: scores [1, 2 REACH + 1, T] of `lag_scores`; between frames by a parabola."""
    mean = scores[0].nanmean(dim=-1).cpu().numpy()
    if not np.isfinite(mean).any():
        return Lag(0.0, 0.0)
    mean = np.nan_to_num(mean, nan=np.nanmin(mean))
    best = int(mean.argmax())
    shift = 0.0
    if 0 < best < len(mean) - 1:
        before, peak, after = mean[best - 1 : best + 2]
        shift = 0.5 * (before - after) / min(-1e-9, before - 2 * peak + after)
    return Lag(float((best - REACH + shift) / SECOND), float(mean[best] - np.median(mean)))


def sync_accuracy(scores: Tensor, window: int = SECOND) -> tuple[float, int]:
    """How often a window of motion fits its own sound better than sound shifted by SHIFTED frames or more.

    Args:
        scores: [1, 2 REACH + 1, T] of `lag_scores`.
        window: frames of a window.

    Returns:
        share of right decisions (0.5: chance), and how many were made.
    """
    rows = scores[0].unfold(-1, window, 1).mean(dim=-1)  # NaN where a frame of the window is
    true = rows[REACH]
    right = made = 0
    for shift in range(-REACH, REACH + 1):
        if abs(shift) >= SHIFTED:
            known = torch.isfinite(true) & torch.isfinite(rows[REACH + shift])
            right += int((true > rows[REACH + shift])[known].sum())
            made += int(known.sum())
    return right / max(1, made), made
