"""A recording: speech features and motion of one person, on one time line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.features.cache import cached
from audio_motion.features.interface import SpeechFeatures
from audio_motion.features.level import levelled
from audio_motion.media import SAMPLE_RATE
from audio_motion.models.examples import choose_examples
from audio_motion.models.face_statistics import FaceStatistics, measure_face
from audio_motion.models.generator import FEATURES_PER_MOTION, MOTION_RATE, STRIDE
from audio_motion.sequence import LandmarkSequence
from audio_motion.topology import MOUTH

SHORTEST = 2.0
"""Seconds of speech with motion that a recording must hold."""


class TooShort(InputError):
    """A recording of less than `SHORTEST`."""


@dataclass(frozen=True)
class Recording:
    """One person speaking, cut to whole latents."""

    face: FaceStatistics
    features: Tensor
    """float32 [2T, C] at 50 Hz."""
    offsets: Tensor
    """float32 [T, 68, 3] from the mean face, at 25 Hz, in template units."""
    valid: Tensor
    """bool [T]: frames whose motion is known and may be learnt from."""
    silence: Tensor
    """float32 [C]: features of silence, which is heard before the recording and after it."""
    identity: str
    """Hexadecimal digits that change with motion, sound and features."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.offsets) / MOTION_RATE

    @property
    def motion(self) -> Tensor:
        """float32 [1, 204, T]: what the networks see, the offsets in units of the face's scale."""
        return (self.offsets / self.face.scale).flatten(1).T[None]

    @property
    def speech(self) -> Tensor:
        """float32 [1, C, 2T]: the features as the networks take them."""
        return self.features.T[None]


def align(
    sequence: LandmarkSequence, samples: np.ndarray, features: SpeechFeatures, source: str = "in memory"
) -> Recording:
    """Put motion (any fps, space "head") and its sound (16 kHz, the same time 0) on the generator's time line. The
    sound is heard as `Generator.predict` hears a file's: levelled.

    Raises:
        TooShort: too little in common, or hardly a frame is valid.
        InputError: the sequence is not one of positions.
    """
    if sequence.space != "head":
        raise InputError(f"{source}: holds offsets, not a face; train on tracked landmarks (space 'head')")
    motion = sequence.resample(MOTION_RATE)
    frames = min(len(motion), len(samples) * MOTION_RATE // SAMPLE_RATE) // STRIDE * STRIDE
    valid = motion.valid[:frames]
    if valid.sum() < SHORTEST * MOTION_RATE:
        raise TooShort(
            f"{source}: {valid.sum() / MOTION_RATE:.1f} s of face with sound; training needs at least {SHORTEST:.0f} s"
        )
    landmarks = motion.landmarks[:frames]
    face = measure_face(sequence.person, landmarks[valid], motion.eye_openness[:frames][valid])
    samples = levelled(samples)
    # A spectrum is made faster than a cache is read.
    heard = features.extract(samples) if features is MEL else cached(features, samples)
    digest = hashlib.sha256(features.name.encode())
    for array in (landmarks, valid, samples):
        digest.update(np.ascontiguousarray(array).data)
    return Recording(
        face=face,
        features=heard[: frames * FEATURES_PER_MOTION],
        offsets=torch.from_numpy(landmarks - face.mean),
        valid=torch.from_numpy(valid),
        silence=features.silence,
        identity=digest.hexdigest(),
    )


def pool_speakers(recordings: Sequence[Recording]) -> list[Recording]:
    """Give all recordings of a person (by `face.person`) the scale of that person's frames taken together: three
    seconds say little about how far somebody opens the mouth."""
    squares: dict[str, tuple[float, int]] = {}
    for recording in recordings:
        total, count = squares.get(recording.face.person, (0.0, 0))
        frames = int(recording.valid.sum())
        squares[recording.face.person] = (total + recording.face.scale**2 * frames, count + frames)
    return [
        replace(r, face=replace(r.face, scale=float(np.sqrt(total / count))))
        for r in recordings
        for total, count in [squares[r.face.person]]
    ]


def hold_out_tail(recording: Recording) -> tuple[Recording, Recording]:
    """Split off the last tenth (at least a second) of a recording's valid frames: a face that turned away before the
    end says nothing there.

    Returns:
        what comes before the tail, and the whole with only the tail valid: it is heard after the speech before it, as
        it will be in use.
    """
    known = torch.nonzero(recording.valid)[:, 0]
    split = int(known[-max(MOTION_RATE, len(known) // 10)]) // STRIDE * STRIDE
    early = replace(
        recording,
        features=recording.features[: split * FEATURES_PER_MOTION],
        offsets=recording.offsets[:split],
        valid=recording.valid[:split],
    )
    return early, replace(recording, valid=recording.valid & (torch.arange(len(recording.valid)) >= split))


def with_examples(face: FaceStatistics, recordings: Sequence[Recording]) -> FaceStatistics:
    """The face, with a dictionary of the mouth shapes in these recordings of the person."""
    shapes = torch.cat([recording.offsets[recording.valid][:, MOUTH] for recording in recordings])
    return replace(face, examples=choose_examples(shapes.numpy()))


def feature_statistics(recordings: Sequence[Recording]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every feature channel, [C, 1] each."""
    total = sum(len(r.features) for r in recordings)
    mean = torch.stack([r.features.double().sum(dim=0) for r in recordings]).sum(dim=0) / total
    square = torch.stack([(r.features.double() - mean).square().sum(dim=0) for r in recordings]).sum(dim=0) / total
    return mean.float()[:, None], square.sqrt().float().clamp(min=1e-3)[:, None]
