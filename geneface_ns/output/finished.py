"""Which videos are finished, so that the same command does not make them again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from audio_motion.errors import InputError
from audio_motion.files import written_whole
from audio_motion.json_file import read_json


class Finished:
    """A file that says of videos what they were made of (a key), and their size and time then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known = read_json(path, "")
        except InputError:  # none yet, or damaged: what it said is made again
            self._known = {}

    def holds(self, video: Path, key: str) -> bool:
        """Whether a video of that key was finished and has not been touched since."""
        return video.is_file() and self._known.get(self._name(video)) == [key, *facts_of(video)[1:]]

    def note(self, video: Path, key: str) -> None:
        """Take note of a finished video."""
        self._known[self._name(video)] = [key, *facts_of(video)[1:]]
        with written_whole(self._path) as temporary:
            temporary.write_text(json.dumps(self._known, indent=1, sort_keys=True) + "\n")

    def _name(self, video: Path) -> str:
        """So that the folder of both may be moved."""
        return os.path.relpath(video, self._path.parent)


def facts_of(path: Path) -> list[str]:
    """A file's name, size and time: another file has others.

    Raises:
        InputError: it has vanished.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; leave it alone while it is read") from error
    return [path.name, str(stat.st_size), str(stat.st_mtime_ns)]
