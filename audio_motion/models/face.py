"""The person whose face a generator moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_motion.topology import mouth_opening


@dataclass(frozen=True)
class Face:
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


def measure_face(person: str, landmarks: np.ndarray, eye_openness: np.ndarray) -> Face:
    """Statistics of a face from valid frames: landmarks [T, 68, 3] in the head frame, eye openness [T, 2]."""
    mean = landmarks.mean(axis=0, dtype=np.float64).astype(np.float32)
    offsets = landmarks - mean
    opening = mouth_opening(landmarks)
    shut = opening <= np.quantile(opening, 0.1)
    low, high = np.quantile(offsets, [0.01, 0.99], axis=0).astype(np.float32)
    eyes = np.median(eye_openness, axis=0).astype(np.float32)
    return Face(person, mean, offsets[shut].mean(axis=0), low, high, eyes)
