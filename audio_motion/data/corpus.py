"""Reading a corpus: its clips, one at a time, from the shards that `audio-motion corpus` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np

from audio_motion.data.json_kinds import as_kind
from audio_motion.data.shard_file import FULL_SCALE, REPAIR, Shard
from audio_motion.errors import InputError
from audio_motion.files import need_file
from audio_motion.json_file import read_json
from audio_motion.sequence import LandmarkSequence, Producer

SCHEMA_VERSION = 1
"""Of corpus.json."""


@dataclass(frozen=True)
class Clip:
    """One talking clip, ready to learn from."""

    name: str
    """Path of its video below the folder that the corpus was made from."""
    speaker: str
    sequence: LandmarkSequence
    """Head frame, at the clip's own frame rate; its person is the speaker."""
    samples: np.ndarray
    """float32 [S] at 16 kHz in [-1, 1], as long as the sequence; time 0 is frame 0."""


@dataclass(frozen=True)
class Entry:
    """What corpus.json says about a clip."""

    name: str
    speaker: str
    split: str
    seconds: float
    shard: str
    key: str


class Corpus(Sequence[Clip]):
    """The clips of a corpus; each is read from its shard when it is asked for."""

    def __init__(self, root: Path, entries: Sequence[Entry]) -> None:
        self.root = root
        self.entries = list(entries)
        """In the order of the clips: for choosing by speaker or length without reading any."""
        self._shards: dict[str, Shard] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Clip]:
        for entry in self.entries:
            yield self._read(entry)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> Corpus: ...
    def __getitem__(self, index: int | slice) -> Clip | Corpus:
        """A clip, or a part of the corpus.

        Raises:
            InputError: its shard is missing, truncated, damaged or of another schema version, or holds NaN.
        """
        return Corpus(self.root, self.entries[index]) if isinstance(index, slice) else self._read(self.entries[index])

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_shards": {}}  # open files stay in the process that opened them

    def _read(self, entry: Entry) -> Clip:
        shard = self._shards.get(entry.shard)
        if shard is None:
            shard = self._shards[entry.shard] = Shard(self.root / entry.shard)
        stored = shard.clip(entry.key)
        record = stored.record
        sequence = LandmarkSequence(
            landmarks=stored.landmarks,
            fps=record.fps,
            eye_openness=stored.eye_openness,
            valid=stored.valid,
            person=entry.speaker,
            producer=Producer("tracker", record.detector),
            source=f"{shard.path}: clip {record.name}",
        )
        return Clip(entry.name, entry.speaker, sequence, stored.sound.astype(np.float32) / FULL_SCALE)


def load_corpus(path: Path, split: Literal["train", "held-out", "all"] = "all") -> Corpus:
    """The clips of a split, by shard; no shard is read before a clip of it is asked for.

    Args:
        path: folder that `audio-motion corpus` wrote.

    Raises:
        InputError: no corpus, of another schema version, or unreadable.
    """
    listing = Path(path) / "corpus.json"
    need_file(listing, "make the corpus, or finish it, with `audio-motion corpus`")
    found = read_json(listing, REPAIR)
    if (version := found.get("schema_version")) != SCHEMA_VERSION:
        raise InputError(
            f"{listing}: schema version {version}, expected {SCHEMA_VERSION}; make a new corpus in another folder"
        )
    try:
        entries = as_kind(found.get("clips"), list[Entry])
    except ValueError as error:
        raise InputError(f"{listing}: damaged ({error}); {REPAIR}") from error
    for entry in entries:
        if Path(entry.shard).name != entry.shard:  # what comes from elsewhere must not lead out of its own folder
            raise InputError(f"{listing}: damaged (a shard called {entry.shard!r}); {REPAIR}")
    chosen = [entry for entry in entries if split in ("all", entry.split)]
    return Corpus(Path(path), sorted(chosen, key=lambda entry: (entry.shard, entry.name)))
