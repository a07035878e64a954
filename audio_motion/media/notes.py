"""Telling the user what was noticed while a file was opened."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def show_notes(path: Path, notes: Iterable[str]) -> None:
    """Print the notes of `probe` or `audio_info` to standard error, a line each."""
    for note in notes:
        print(f"{path}: {note}", file=sys.stderr)
