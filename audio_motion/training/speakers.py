"""What training learns from: speech features and motion of each speaker, on one time line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from audio_motion.audio import SAMPLE_RATE, load_audio
from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.features.cache import cached
from audio_motion.features.interface import SpeechFeatures
from audio_motion.models.face import Face, measure_face
from audio_motion.models.generator import FEATURES_PER_MOTION, MOTION_RATE, STRIDE
from audio_motion.sequence import LandmarkSequence

SHORTEST = 4.0
"""Seconds of speech with motion that training needs from a speaker."""


@dataclass(frozen=True)
class Speaker:
    """One speaker's training part, cut to whole latents."""

    face: Face
    features: torch.Tensor
    """float32 [2T, C] at 50 Hz."""
    offsets: torch.Tensor
    """float32 [T, 68, 3] from the person's mean, at 25 Hz."""
    valid: torch.Tensor
    """bool [T]."""
    heard: SpeechFeatures = MEL
    """What made `features`."""


def load_speaker(path: Path, heard: SpeechFeatures = MEL) -> Speaker:
    """Read a capture directory (its train split only) or a LandmarkSequence with its sound beside it.

    Args:
        path: a directory of docs/conventions.md, or an .npz whose `sound.file` (or else a .wav of its own name) lies
            in the same folder.
        heard: the speech features to use.

    Raises:
        InputError: something is missing, unreadable, or shorter than 4 s.
    """
    path = Path(path)
    if path.is_dir():
        sequence = LandmarkSequence.load(path / "landmarks.npz")
        sequence = sequence.slice(0.0, (_train_frames(path / "transforms.json", len(sequence)) - 0.5) / sequence.fps)
        sound = path / "audio.wav"
    else:
        sequence = LandmarkSequence.load(path)
        sound = path.parent / sequence.sound.file if sequence.sound else path.with_suffix(".wav")
    return align(sequence, load_audio(sound), source=str(path), heard=heard)


def align(
    sequence: LandmarkSequence, samples: np.ndarray, source: str = "in memory", heard: SpeechFeatures = MEL
) -> Speaker:
    """Put motion (any fps, space "head") and its sound (16 kHz, the same time 0) on the generator's time line.

    Raises:
        InputError: less than 4 s in common, or hardly a frame is valid.
    """
    if sequence.space != "head":
        raise InputError(f"{source}: holds offsets, not a face; train on tracked landmarks (space 'head')")
    motion = sequence.resample(MOTION_RATE)
    frames = min(len(motion), len(samples) * MOTION_RATE // SAMPLE_RATE) // STRIDE * STRIDE
    valid = motion.valid[:frames]
    if valid.sum() < SHORTEST * MOTION_RATE:
        raise InputError(
            f"{source}: {valid.sum() / MOTION_RATE:.1f} s of face with sound; training needs at least {SHORTEST:.0f} s"
        )
    landmarks = motion.landmarks[:frames]
    face = measure_face(sequence.person, landmarks[valid], motion.eye_openness[:frames][valid])
    hop = SAMPLE_RATE // MOTION_RATE
    # The built-in features are made faster than a cache is read.
    features = (heard.extract(samples) if heard is MEL else cached(heard, samples))[: frames * FEATURES_PER_MOTION]
    assert len(features) == frames * hop // 320, "features and motion disagree about time"
    return Speaker(face, features, torch.from_numpy(landmarks - face.mean), torch.from_numpy(valid), heard)


def _train_frames(transforms: Path, frames: int) -> int:
    """How many frames lie before the first that is kept for test."""
    try:
        listed = json.loads(transforms.read_text())["frames"]
        splits = [frame["split"] for frame in sorted(listed, key=lambda frame: frame["time"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{transforms}: not a capture's transforms.json ({type(error).__name__}: {error}); run `geneface process`"
        ) from error
    if len(splits) != frames:
        raise InputError(
            f"{transforms}: {len(splits)} frames, landmarks.npz has {frames}; run `geneface process` again"
        )
    count = splits.index("test") if "test" in splits else frames
    if count == 0:
        raise InputError(f"{transforms}: no frame before the test split; run `geneface process` again")
    return count
