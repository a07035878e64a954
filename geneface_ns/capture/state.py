"""What has been done in a capture directory, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from audio_motion.errors import InputError
from audio_motion.files import sha256_of, written_whole
from audio_motion.json_file import read_json
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture_format.layout import Layout

VERSION = 4
"""Raised when a stage's result changes, so that a half-done directory of an older version is not gone on with."""


REMOVED = "removed"
"""Key of what is being removed."""


@dataclass
class State:
    """Which stages are done, and what each left for the later ones (small JSON values)."""

    layout: Layout
    key: str
    stages: dict[str, dict] = field(default_factory=dict)

    def done(self, stage: str) -> bool:
        return stage in self.stages

    def mark(self, stage: str, **result: object) -> None:
        """Note that a stage is done."""
        self.stages[stage] = result
        self.save()

    def save(self) -> None:
        with written_whole(self.layout.state) as temporary:
            said = {"key": self.key, "stages": self.stages}
            temporary.write_text(json.dumps({**said, "sha256": _digest(said)}))


def source_key(config: CaptureOptions) -> str:
    """SHA-256 over the video's bytes and every option that decides what is written.

    Raises:
        InputError: the video is not there or not readable.
    """
    try:
        return sha256_of(config.video, json.dumps([VERSION, config.content()], sort_keys=True).encode())
    except OSError as error:
        raise InputError(f"{config.video}: {error.strerror}; give a video") from error


def open_state(config: CaptureOptions, layout: Layout) -> State:
    """The state of the capture directory, fresh or gone on with. Writes nothing but what --overwrite removes.

    Raises:
        InputError: the directory holds a capture of another video or of other options, or something else.
    """
    key = source_key(config)
    known = _read(layout.state)
    if known is not None and (known["key"] == REMOVED or (known["key"] == key and _lost(layout, known["stages"]))):
        clear(layout)  # what lies beside it is the user's, or was made of the capture, as a post-net is
        return State(layout, key)
    if known is None and not _holds_anything(layout):
        return State(layout, key)
    if known is not None and known["key"] == key:
        return State(layout, key, known["stages"])
    if known is None and not layout.transforms.exists():
        if not any(path.exists() for path in layout.owned):
            raise InputError(f"{layout.root}: holds other files; choose an empty or a new folder")
        what = "an unfinished capture of an unknown video"
    else:
        what = "a capture of another video or of other options"
    if not config.overwrite:
        raise InputError(f"{layout.root}: holds {what}; choose another folder, or replace it with --overwrite")
    clear(layout)
    return State(layout, key)


@contextmanager
def nothing_left_of_refused(layout: Layout) -> Iterator[None]:
    """Remove what processing wrote where an InputError raised inside refuses the video."""
    try:
        yield
    except InputError:
        clear(layout)
        raise


def _holds_anything(layout: Layout) -> bool:
    """Whether the directory holds more than what a run leaves that was killed before it had said whose it is."""
    return layout.root.exists() and any(path != layout.work for path in layout.root.iterdir())


def clear(layout: Layout) -> None:
    """Remove what processing wrote, and nothing else. Killed on the way, the next run goes on with it."""
    layout.transforms.unlink(missing_ok=True)  # what is half removed is no capture
    State(layout, REMOVED).save()
    inside = [path for path in layout.work.iterdir() if path != layout.state]
    for path in (*(path for path in layout.owned if path != layout.work), *inside, layout.state):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    layout.work.rmdir()


def _lost(layout: Layout, stages: dict) -> bool:
    """Whether a finished capture has lost its transforms.json: the work files that it was made from are gone."""
    return "finish" in stages and not layout.transforms.exists() and not layout.pending.exists()


def _read(path: Path) -> dict | None:
    """What `State.save` wrote; None where it is not there, or damaged."""
    try:
        found = read_json(path, "")
    except InputError:
        return None
    return found if found.pop("sha256", None) == _digest(found) else None


def _digest(said: dict) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
