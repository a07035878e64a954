"""The synthetic talker as capture directories and corpora on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from audio_motion.corpus.assemble import fill_shards, write_listing
from audio_motion.corpus.store import Store
from audio_motion.data.shard_file import FULL_SCALE, StoredClip
from tests.audio_motion.data.stored import record_of
from tests.audio_motion.synthetic_speech import talk, write_wav


def write_capture(folder: Path, seconds: float, fps: float = 25.0, seed: int = 0) -> Path:
    """As `geneface process` would: the last 1/11 of the frames is for test."""
    folder.mkdir(parents=True)
    sound, motion = talk(seconds, fps, seed)
    motion.save(folder / "landmarks.npz")
    write_wav(folder / "audio.wav", sound)
    train = len(motion) - len(motion) // 11
    frames = [{"time": i / fps, "split": "train" if i < train else "test"} for i in range(len(motion))]
    (folder / "transforms.json").write_text(json.dumps({"schema_version": 1, "frames": frames}))
    return folder


def write_corpus(folder: Path, clips: Mapping[str, float], held_out: float = 0.0, most_clips: int = 4) -> Path:
    """Clips of the talker, by name and length in seconds; the folder in a name is the speaker."""
    store = Store(folder)
    keys = []
    for number, (name, seconds) in enumerate(clips.items()):
        sound, motion = talk(seconds, seed=number)
        arrays = {
            "landmarks": motion.landmarks,
            "eye_openness": motion.eye_openness,
            "valid": motion.valid,
            "sound": np.round(sound * FULL_SCALE).astype(np.int16),
        }
        store.save_clip(StoredClip(record_of(name, motion.fps, arrays), **arrays))
        keys.append(hashlib.sha256(name.encode()).hexdigest()[:32])
    fill_shards(store, most_clips=most_clips)
    write_listing(store, keys, {name: name.partition("/")[0] for name in clips}, held_out, [], {})
    return folder
