"""A talker whose mouth follows the sound exactly: truth for the generator's tests."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE

_LOWER_LIP = [55, 56, 57, 58, 59, 65, 66, 67]


def talk(seconds: float, fps: float = 25.0, seed: int = 0) -> tuple[np.ndarray, LandmarkSequence]:
    """Sound (float32 [S], 16 kHz: a 120 Hz buzz, loud and bright when the mouth is open) and the motion to it: the
    lower lip and chin are 0.06 lower at full loudness."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0.0, 1.0, int(seconds * 5) + 3)
    knots[::4] = 0.0

    def effort(time: np.ndarray) -> np.ndarray:
        return np.interp(time * 5, np.arange(len(knots)), knots)

    time = np.arange(int(seconds * 16000)) / 16000
    level = effort(time)
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k ** (2.0 - level) for k in range(1, 12))
    sound = 0.15 * level * buzz + rng.normal(0, 3e-4, len(time))
    frames = np.arange(int(seconds * fps)) / fps
    landmarks = np.repeat(TEMPLATE[None], len(frames), axis=0)
    landmarks[:, [*_LOWER_LIP, *range(5, 12)], 1] -= 0.06 * effort(frames)[:, None].astype(np.float32)
    motion = LandmarkSequence(
        landmarks=landmarks,
        fps=fps,
        eye_openness=np.full((len(frames), 2), 0.3, np.float32),
        valid=np.ones(len(frames), bool),
        person="synthetic",
        producer=Producer("avatar", "synthetic"),
    )
    return sound.astype(np.float32), motion


def write_wav(path: Path, sound: np.ndarray) -> None:
    """PCM 16 bit, 16 kHz mono."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes())
