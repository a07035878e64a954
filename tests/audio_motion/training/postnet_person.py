"""Somebody who moves unlike the synthetic talker: for the post-net's tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audio_motion.data.recording import Recording, align, hold_out_tail
from audio_motion.features.acoustic import MEL
from audio_motion.sequence import LandmarkSequence
from audio_motion.topology import TEMPLATE
from tests.audio_motion.synthetic_speech import talk


def wry_talk(seconds: float, seed: int = 0) -> tuple[np.ndarray, LandmarkSequence]:
    """The talker's sound; with an open mouth the chin goes to one side and the corners of the mouth come together."""
    sound, motion = talk(seconds, seed=seed)
    effort = (TEMPLATE[66, 1] - motion.landmarks[:, 66, 1]) / 0.06
    landmarks = motion.landmarks.copy()
    landmarks[:, 5:12, 0] += 0.04 * effort[:, None]
    landmarks[:, [48, 60], 0] += 0.05 * effort[:, None]
    landmarks[:, [54, 64], 0] -= 0.05 * effort[:, None]
    return sound, replace(motion, landmarks=landmarks, person="wry")


def wry_recordings(seconds: float = 24.0) -> tuple[list[Recording], list[Recording]]:
    """What is learnt from, and what is held out."""
    sound, motion = wry_talk(seconds, seed=8)
    early, late = hold_out_tail(align(motion, sound, MEL))
    return [early], [late]


def other_speech() -> list[Recording]:
    """Of the talker."""
    sound, motion = talk(12.0, seed=9)
    return [align(motion, sound, MEL)]
