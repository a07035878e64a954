"""Motion of a face, frame by frame: out of a landmark sequence, onto the person to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence, identity_of
from geneface_ns.capture_format.person import Person
from geneface_ns.motion.eyes import EyeRange, eye_range, generated_range, onto_range, with_eyes


class MotionFrame(NamedTuple):
    """A face at one moment."""

    landmarks: np.ndarray
    """float32 [68, 3], head frame of the person to be shown."""
    eye_openness: np.ndarray
    """float32 [2]."""


def is_own(sequence: LandmarkSequence, person: Person) -> bool:
    """Whether a sequence is the person's own tracking, or a part of it: by content, never by name.

    Sequences of older releases carry no identity; such a one is the person's own if it is all of it.
    """
    ids = [s.identity or identity_of(s.landmarks, s.eye_openness) for s in (sequence, person.landmarks)]
    return sequence.space == "head" and ids[0] == ids[1]


def own_eyes(person: Person) -> EyeRange:
    """How open the person's eyes are: over the valid training frames."""
    return eye_range(person.landmarks.eye_openness[person.is_train & person.valid])


def onto_person(sequence: LandmarkSequence, person: Person) -> tuple[np.ndarray, np.ndarray]:
    """A sequence's motion as another person's.

    The person's own tracking stays as it is. Of anybody else's, the landmarks lose the mean face that they are about
    (the one the sequence names, else the mean of its valid frames; offsets have none) and get this person's; the eyes
    are taken from the other's range to this person's (`geneface_ns.motion.eyes`), and the lids follow them.

    Returns:
        landmarks float32 [T, 68, 3] in the person's head frame, and eye openness float32 [T, 2].
    """
    if is_own(sequence, person):
        return sequence.landmarks, sequence.eye_openness
    valid = sequence.valid if sequence.valid.any() else np.ones(len(sequence), bool)
    landmarks = sequence.landmarks + person.mean_landmarks
    if sequence.space == "head":
        landmarks -= sequence.landmarks[valid].mean(axis=0) if sequence.mean is None else sequence.mean
    if sequence.producer.kind == "generator":
        theirs = generated_range(np.median(sequence.eye_openness, axis=0))
    else:
        theirs = eye_range(sequence.eye_openness[valid])
    eyes = onto_range(sequence.eye_openness, theirs, own_eyes(person))
    return with_eyes(landmarks, eyes, person.mean_landmarks).astype(np.float32), eyes


def motion_of_sequence(sequence: LandmarkSequence, person: Person, frames: int | None = None) -> Iterator[MotionFrame]:
    """The frames of a sequence as the person's motion, at the person's fps.

    Args:
        frames: how many are wanted; the last is held, or what is too much left out. Default: all there are.
    """
    # Ranges and means first: resampling rounds off the bottoms of blinks.
    landmarks, eyes = onto_person(sequence, person)
    moved = replace(sequence, landmarks=landmarks, eye_openness=eyes, space="head").resample(person.fps)
    for index in np.arange(frames or len(moved)).clip(max=len(moved) - 1):
        yield MotionFrame(moved.landmarks[index], moved.eye_openness[index])


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
