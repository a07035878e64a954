"""Finding the clips of a data set, whatever its layout."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from audio_motion.errors import InputError

VIDEO = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".ts", ".wmv", ".3gp")
SOUND = (".wav", ".flac", ".m4a")
"""In this order, where several lie beside a video."""


@dataclass(frozen=True)
class Source:
    """A video, and the sound file of the same name beside it."""

    name: str
    """Path below the folder of videos, with forward slashes."""
    video: Path
    sound: Path | None

    def key(self, content: dict) -> str:
        """Changes when the files or the options `content` do: 32 hexadecimal digits over names, sizes and times.

        Raises:
            InputError: a file has vanished.
        """
        facts: list[object] = [content, self.name]
        for path in (self.video, self.sound):
            if path is not None:
                try:
                    stat = path.stat()
                except OSError as error:
                    raise InputError(f"{path}: {error.strerror}; leave the folder alone while it is read") from error
                facts.append([path.suffix, stat.st_size, stat.st_mtime_ns])
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def find_videos(folder: Path) -> list[Source]:
    """All videos below a folder, sorted by name. Hidden files and folders are passed over, links to folders followed.

    Raises:
        InputError: no such folder, not readable, or no video in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}; give the folder that holds the videos")
    found = []
    above: dict[str, set[str]] = {}  # the real paths of a folder and those above it
    for here, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        above[here] = {os.path.realpath(here), *above.get(os.path.dirname(here), ())}
        # Links that lead back up would show every video again and again.
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(here, name)) not in above[here]
        ]
        paths = [Path(here, name) for name in files if not name.startswith(".")]
        sounds = {(path.stem, path.suffix.lower()): path for path in paths}
        for path in paths:
            if path.suffix.lower() in VIDEO:
                beside = (sounds.get((path.stem, suffix)) for suffix in SOUND)
                sound = next((path for path in beside if path is not None), None)
                found.append(Source(path.relative_to(folder).as_posix(), path, sound))
    if not found:
        raise InputError(f"{folder}: holds no videos ({' '.join(VIDEO)}); give the folder that does")
    return sorted(found, key=lambda source: source.name)


def _unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: {error.strerror}; make it readable or leave it out") from error
