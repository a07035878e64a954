"""Clips as shards hold them, made of random numbers."""

from __future__ import annotations

import hashlib

import numpy as np

from audio_motion.data.shard_file import Record, StoredClip, checksum


def stored(name: str, frames: int = 5, fps: float = 25.0, seed: int = 0) -> StoredClip:
    """A clip whose key is a hash of its name."""
    rng = np.random.default_rng(seed)
    arrays = {
        "landmarks": rng.normal(size=(frames, 68, 3)).astype(np.float32),
        "eye_openness": rng.uniform(0, 0.4, (frames, 2)).astype(np.float32),
        "valid": rng.random(frames) < 0.9,
        "sound": rng.integers(-32767, 32768, round(frames / fps * 16000)).astype(np.int16),
    }
    return StoredClip(record_of(name, fps, arrays), **arrays)


def record_of(name: str, fps: float, arrays: dict[str, np.ndarray]) -> Record:
    return Record(
        key=hashlib.sha256(name.encode()).hexdigest()[:32],
        name=name,
        fps=fps,
        frames=len(arrays["valid"]),
        start=0.0,
        lag=0.01,
        lag_confidence=0.7,
        shifted=0.01,
        detector="mediapipe",
        figures=dict.fromkeys(("face_width", "yaw", "turned", "unseen", "misfit", "level", "speech", "rhythm"), 1.0),
        sha256=checksum(arrays),
    )
