"""One shard: a safetensors file of clips, and their facts in its header.

Tensors of a clip, prefixed by its key: `<key>/landmarks` float32 [T, 68, 3], `/eye_openness` float32 [T, 2], `/valid`
bool [T], `/sound` int16 [S] at 16 kHz. Header: `schema_version`; `clips`, a JSON list of
`Record`s; `sha256` of that list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from audio_motion.data.json_kinds import as_kind
from audio_motion.errors import InputError, one_line
from audio_motion.files import need_file, written_whole
from audio_motion.json_file import parse

SCHEMA_VERSION = 1
FULL_SCALE = 32767
"""The int16 that stands for a sample of 1.0."""
REPAIR = "delete it and run `audio-motion corpus` again: only its clips are made again"


@dataclass(frozen=True)
class Record:
    """What is known about a clip besides its arrays."""

    key: str
    """Of `Source.key`."""
    name: str
    """Path below the folder of videos."""
    fps: float
    """Frames per second, the clip's own."""
    frames: int
    start: float
    """Seconds of the video at which its first frame lies."""
    lag: float
    """Seconds by which the video's sound was estimated to come late."""
    lag_confidence: float
    shifted: float
    """Seconds by which the sound was moved earlier: the lag, or 0 where it was not believed."""
    detector: str
    """That the landmarks come from."""
    figures: dict[str, float]
    """Of the quality gate (docs/corpus.md)."""
    sha256: str
    """Of the arrays' bytes; see `checksum`."""

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


@dataclass(frozen=True)
class StoredClip:
    """A clip as it lies in a shard."""

    record: Record
    landmarks: np.ndarray
    """float32 [T, 68, 3], head frame."""
    eye_openness: np.ndarray
    """float32 [T, 2]."""
    valid: np.ndarray
    """bool [T]."""
    sound: np.ndarray
    """int16 [S], 16 kHz, time 0 is frame 0."""
    notes: tuple[str, ...] = ()
    """What whoever makes the corpus should know of how the video was read; not stored."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in ARRAYS}


ARRAYS = ("landmarks", "eye_openness", "valid", "sound")


def checksum(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over the bytes of the four arrays, in the order of `ARRAYS`."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def write_shard(path: Path, clips: Sequence[StoredClip]) -> None:
    """Write a shard, whole or not at all.

    Raises:
        InputError: it cannot be written (the disk is full, for example).
    """
    tensors = {
        f"{clip.record.key}/{name}": np.ascontiguousarray(array)
        for clip in clips
        for name, array in clip.arrays.items()
    }
    said = json.dumps([asdict(clip.record) for clip in clips])
    header = {"schema_version": str(SCHEMA_VERSION), "clips": said, "sha256": hashlib.sha256(said.encode()).hexdigest()}
    # Not save_file: its errors say nothing about the disk in a form that can be told from others.
    contents = save(tensors, header)
    with written_whole(path) as temporary:
        temporary.write_bytes(contents)


class Shard:
    """A shard opened for reading; arrays are read when asked for.

    Raises:
        InputError: (on opening) missing, truncated, of another schema version, or not a shard.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        need_file(self.path, "run `audio-motion corpus` again: its clips are made again")
        try:
            self._file = safe_open(str(path), framework="numpy")
            header = self._file.metadata() or {}
            version = header.get("schema_version")
            if "clips" in header and version != str(SCHEMA_VERSION):
                raise InputError(
                    f"{path}: schema version {version}, expected {SCHEMA_VERSION}; make a new corpus in another folder"
                )
            records = as_kind(parse(header["clips"]), list[Record])
            # Shards of older releases say nothing of their header's checksum.
            known = header.keys() <= {"schema_version", "clips", "sha256"}
            if not known or header.get("sha256") not in (None, hashlib.sha256(header["clips"].encode()).hexdigest()):
                raise ValueError("its header's checksum differs")
            bad = [record for record in records if record.frames < 1 or not record.fps > 0]
            if bad or len({record.key for record in records}) < len(records):
                raise ValueError(f"a clip of {bad[0].frames} frames" if bad else "a clip stands there twice")
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: truncated or not a shard ({one_line(error)}); {REPAIR}") from error
        self.records = {record.key: record for record in records}

    def clip(self, key: str) -> StoredClip:
        """Read a clip and check it.

        Raises:
            InputError: it is not in this shard, or its arrays are not the ones that were written.
        """
        record = self.records.get(key)
        if record is None:
            raise InputError(f"{self.path}: does not hold the clip {key}; {REPAIR}")
        where = f"{self.path}: clip {record.name}"
        try:
            arrays = {name: self._file.get_tensor(f"{key}/{name}") for name in ARRAYS}
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{where}: cannot be read ({error}); {REPAIR}") from error
        if checksum(arrays) != record.sha256 or not _fits(arrays, record):
            raise InputError(f"{where}: is damaged (its checksum differs); {REPAIR}")
        for name in ("landmarks", "eye_openness"):
            if not np.isfinite(arrays[name]).all():
                raise InputError(f"{where}: {name} holds values that are not finite; {REPAIR}")
        return StoredClip(record, **arrays)


def _fits(arrays: dict[str, np.ndarray], record: Record) -> bool:
    """Whether arrays are of the shapes and types that the header gives their bytes."""
    frames, samples = record.frames, arrays["sound"].size
    shapes = {"landmarks": (frames, 68, 3), "eye_openness": (frames, 2), "valid": (frames,), "sound": (samples,)}
    kinds = {"landmarks": np.float32, "eye_openness": np.float32, "valid": np.bool_, "sound": np.int16}
    return all(arrays[name].shape == shapes[name] and arrays[name].dtype == kinds[name] for name in ARRAYS)
