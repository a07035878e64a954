"""Motion of a face, frame by frame: out of a landmark sequence, onto the person to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.capture import Capture


class MotionFrame(NamedTuple):
    """A face at one moment."""

    landmarks: np.ndarray
    """float32 [68, 3], head frame of the person to be shown."""
    eye_openness: np.ndarray
    """float32 [2]."""


def own_landmarks(sequence: LandmarkSequence, person: str, mean_landmarks: np.ndarray) -> np.ndarray:
    """A sequence's motion as landmarks [T, 68, 3] of the person to be shown.

    Args:
        sequence: motion of anyone. Offsets are laid on this person's mean; another person's positions lose that
            person's mean (over valid frames) first.
        person: who is shown.
        mean_landmarks: [68, 3], that person's mean.
    """
    if sequence.space == "offset":
        return sequence.landmarks + mean_landmarks
    if sequence.person == person:
        return sequence.landmarks
    seen = sequence.landmarks[sequence.valid] if sequence.valid.any() else sequence.landmarks
    return sequence.landmarks - seen.mean(axis=0) + mean_landmarks


def motion_of_sequence(
    sequence: LandmarkSequence, capture: Capture, frames: int | None = None
) -> Iterator[MotionFrame]:
    """The frames of a sequence as motion of the captured person, at the capture's fps.

    Args:
        frames: how many are wanted; the last is held, or what is too much left out. Default: all there are.
    """
    sequence = sequence.resample(capture.fps)
    landmarks = own_landmarks(sequence, capture.person, capture.mean_landmarks).astype(np.float32)
    for index in np.arange(frames or len(sequence)).clip(max=len(sequence) - 1):
        yield MotionFrame(landmarks[index], sequence.eye_openness[index])


def held(motion: Iterable[MotionFrame]) -> Iterator[MotionFrame]:
    """The same motion without an end: its last frame stays.

    Raises:
        InputError: there is no motion at all.
    """
    frame = None
    for frame in motion:
        yield frame
    if frame is None:
        raise InputError("the sound is too short for a single frame; give a longer one")
    while True:
        yield frame
