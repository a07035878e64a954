"""A corpus's folder while it is made: which clips are done, kept one file a clip until they lie in a shard.

options.json                  what the clips are made with; a folder is only gone on with under the same options
work/ab/abcd….safetensors     a clip that is done and not yet in a shard: a shard of one
work/ab/abcd….json            a clip that was refused, and why
shard-00000.safetensors …     clips
corpus.json                   written last: which clips there are, and where
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from audio_motion.data.json_kinds import as_kind
from audio_motion.data.shard_file import Shard, StoredClip, write_shard
from audio_motion.errors import InputError
from audio_motion.files import unwritten, written_whole
from audio_motion.json_file import read_json


@dataclass(frozen=True)
class Refusal:
    """Why a clip is not in the corpus."""

    name: str
    kind: str
    """A few words, the same for all clips refused for this reason."""
    reason: str
    """One line."""


class Store:
    """The folder of a corpus. Making one of these writes nothing."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.options = self.root / "options.json"
        self.listing = self.root / "corpus.json"
        self._work = self.root / "work"

    def shards(self) -> list[Path]:
        """Those that are there, in order."""
        return sorted(self.root.glob("shard-[0-9]*.safetensors"))

    def new_shard(self) -> Path:
        """Where the next shard goes."""
        last = max((int(path.stem.partition("-")[2]) for path in self.shards()), default=-1)
        return self.root / f"shard-{last + 1:05d}.safetensors"

    def save_clip(self, clip: StoredClip) -> None:
        """Keep a finished clip. Raises InputError where it cannot be written."""
        write_shard(self._path(clip.record.key, "safetensors"), [clip])

    def save_refusal(self, key: str, refusal: Refusal) -> None:
        """Keep why a clip was refused. Raises InputError where it cannot be written."""
        with written_whole(self._path(key, "json")) as temporary:
            temporary.write_text(json.dumps(asdict(refusal)))

    def finished(self) -> dict[str, Path]:
        """Clips that are done and in no shard yet: key to file."""
        return {path.stem: path for path in self._work.glob("??/[0-9a-f]*.safetensors")}

    def refused(self) -> dict[str, Path]:
        """Clips that were refused: key to file."""
        return {path.stem: path for path in self._work.glob("??/[0-9a-f]*.json")}

    @contextmanager
    def opened(self, content: Mapping[str, object]) -> Iterator[None]:
        """Hold the folder for one run with the options `content`; what a killed run left half written is removed.

        Raises:
            InputError: it cannot be written to, holds something else or clips made with other options, or another run
                works in it.
        """
        self._check(content)
        if not self.options.exists():
            with written_whole(self.options) as temporary:
                temporary.write_text(json.dumps(content, indent=1))
        with self._alone():
            for place in (self.root, *self._work.glob("??")):
                for path in place.glob(".*-*.*"):  # as `written_whole` names what it has not finished
                    path.unlink(missing_ok=True)
            yield

    def _check(self, content: Mapping[str, object]) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"{self.root}: is a file; choose a folder to write the corpus to")
        if not self.root.exists() or not any(self.root.iterdir()):
            return
        if not self.options.is_file():
            raise InputError(f"{self.root}: holds other files; choose an empty or a new folder")
        known = read_json(self.options, "choose a new folder")
        if known != content:
            other = ", ".join(_differences(known, content))
            raise InputError(
                f"{self.root}: holds a corpus made with other options ({other}); give the same, or another folder"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            handle = os.open(self.root / ".lock", os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            raise unwritten(self.root, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{self.root}: another run is working here; wait for it, or stop it") from error
        except OSError:
            pass  # some network file systems know no locks
        try:
            yield
        finally:
            os.close(handle)

    def _path(self, key: str, suffix: str) -> Path:
        return self._work / key[:2] / f"{key}.{suffix}"


def read_refusal(path: Path) -> Refusal:
    """What `Store.save_refusal` wrote.

    Raises:
        InputError: damaged.
    """
    advice = "delete it and run `audio-motion corpus` again"
    try:
        return as_kind(read_json(path, advice), Refusal)
    except ValueError as error:
        raise InputError(f"{path}: malformed or damaged ({error}); {advice}") from error


def index(shards: list[Path]) -> dict[str, Shard]:
    """Which shard holds a clip, by its key; the latest one where several do (a run was stopped while moving it).

    Raises:
        InputError: a shard is damaged.
    """
    found: dict[str, Shard] = {}
    for path in shards:
        shard = Shard(path)
        for key in shard.records:
            found[key] = shard
    return found


def _differences(known: Mapping[str, object], content: Mapping[str, object]) -> Iterator[str]:
    """The options that differ, one by one: `min_seconds 2.0, now 3.0`."""
    for name in sorted({*known, *content}):
        before, now = known.get(name), content.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now)
        elif before != now:
            yield f"{name} {before}, now {now}"
