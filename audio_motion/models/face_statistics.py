"""The person whose face a generator moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from audio_motion.topology import MOUTH, mouth_opening


@dataclass(frozen=True)
class FaceStatistics:
    """The person whose face a generator moves; head frame, float32."""

    person: str
    mean: np.ndarray
    """[68, 3] mean landmarks: what offsets are added to."""
    rest: np.ndarray
    """[68, 3] offset of the shut mouth: mean over the tenth of the frames with the smallest opening."""
    low: np.ndarray
    """[68, 3] 1 % quantile of the offsets."""
    high: np.ndarray
    """[68, 3] 99 % quantile."""
    eyes: np.ndarray
    """[2] eye openness between blinks (median)."""
    scale: float
    """Root mean square of the mouth's offsets, in template units: how lively a speaker this is. Networks learn motion
    in units of it, since nobody's liveliness can be heard."""
    examples: np.ndarray = field(default_factory=lambda: np.zeros((0, 20, 3), np.float32))
    """[N, 20, 3] offsets of mouth shapes that the person makes (`examples.choose_examples`); none where the face is
    nobody's."""


def measure_face(person: str, landmarks: np.ndarray, eye_openness: np.ndarray) -> FaceStatistics:
    """Statistics of a face from valid frames: landmarks [T, 68, 3] in the head frame, eye openness [T, 2]."""
    mean = landmarks.mean(axis=0, dtype=np.float64).astype(np.float32)
    offsets = landmarks - mean
    opening = mouth_opening(landmarks)
    shut = opening <= np.quantile(opening, 0.1)
    low, high = np.quantile(offsets, [0.01, 0.99], axis=0).astype(np.float32)
    eyes = np.median(eye_openness, axis=0).astype(np.float32)
    scale = max(1e-4, float(np.sqrt(np.square(offsets[:, MOUTH], dtype=np.float64).mean())))
    return FaceStatistics(person, mean, offsets[shut].mean(axis=0), low, high, eyes, scale)


def average_face(faces: Sequence[FaceStatistics]) -> FaceStatistics:
    """The face of nobody in particular: mean shapes, and the median scale."""
    means = {
        name: np.mean([getattr(face, name) for face in faces], axis=0, dtype=np.float64).astype(np.float32)
        for name in ("mean", "rest", "low", "high", "eyes")
    }
    people = len({face.person for face in faces})
    return FaceStatistics(
        person=f"average of {people}", scale=float(np.median([face.scale for face in faces])), **means
    )
