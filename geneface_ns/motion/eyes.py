"""Eyes of one person on another's face: open is open, and a blink is a blink."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from audio_motion.postprocess import set_eyes
from audio_motion.topology import LOWER_LIDS, UPPER_LIDS

SHUT_SHARE = 0.01
"""Quantile of the openness that counts as shut: a blink's bottom lasts 1 % of the time or more, a slip of the tracker
less."""
BLINKED = 0.6
"""Part of the open level that this quantile must lie below; above it, nobody has blinked."""
USUALLY_SHUT = 0.2
"""Part of the open level at which tracked lids meet, for those who have not blinked: 0.20 to 0.26 of it in people's
videos."""


class EyeRange(NamedTuple):
    """How open a person's eyes are; each [2], the eye on the image's left first, height over width."""

    open: np.ndarray
    """Between blinks."""
    shut: np.ndarray
    """At a blink's bottom. Trackers seldom see 0."""


def eye_range(openness: np.ndarray) -> EyeRange:
    """The range of eyes that were tracked for a while: openness [T, 2], valid frames.

    Open is the median, shut the 1 % quantile; where that is no blink, the usual part of the open level.
    """
    wide = np.median(openness, axis=0)
    low = np.quantile(openness, SHUT_SHARE, axis=0)
    return EyeRange(wide, np.where(low < BLINKED * wide, low, USUALLY_SHUT * wide))


def generated_range(wide: np.ndarray) -> EyeRange:
    """The range of a generator's eyes: drawn, not tracked, their blinks shut them wholly; `wide` [2] between blinks."""
    return EyeRange(wide, np.zeros_like(wide))


def onto_range(openness: np.ndarray, theirs: EyeRange, own: EyeRange) -> np.ndarray:
    """Eye openness [T, 2] of one person as another's: open onto open, shut onto shut, linear between and beyond.

    Never below 0.
    """
    room = np.maximum(theirs.open - theirs.shut, 1e-6)
    share = (openness - theirs.shut) / room
    return np.maximum(own.shut + share * (own.open - own.shut), 0).astype(np.float32)


def with_eyes(landmarks: np.ndarray, openness: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Landmarks [T, 68, 3] with the lids of the face `mean` [68, 3], so far open [T, 2].

    Another person's lids would cross on narrower eyes, or never meet on wider ones.
    """
    result = landmarks.copy()
    result[:, UPPER_LIDS] = landmarks[:, LOWER_LIDS] + (mean[UPPER_LIDS] - mean[LOWER_LIDS])
    return set_eyes(result, openness)
