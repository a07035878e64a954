"""A long video written in pieces beside it, so that a run that was killed goes on where it was.

`.NAME.pieces/` beside the output holds finished pieces of the picture, each written whole, and the key of what they are
pieces of. It is gone when the output is there, and after an error that the same command would run into again.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.files import held_alone, is_full, written_whole
from geneface_ns.output.video import VideoWriter

SECONDS = 5.0
"""Of a piece: what a kill loses at most, and how often there is a key frame."""


def write_in_pieces(
    output: Path,
    key: str,
    fps: float,
    frames_from: Callable[[int], Iterator[np.ndarray]],
    open_piece: Callable[[Path], VideoWriter],
    join: Callable[[list[Path]], int],
) -> int:
    """Write a video piece by piece and put the pieces together, going on where an earlier run was killed.

    Args:
        output: the video; a piece has its suffix.
        key: what decides the pictures: pieces of another key are removed.
        fps: of the frames.
        frames_from: the frames from the given one on; the same ones in every run of the same key.
        open_piece: a writer of a video without sound.
        join: writes `output` from the pieces, and returns how many frames it has.

    Returns:
        What `join` does.

    Raises:
        InputError: another process writes this output, or what the given functions raise.
    """
    folder = pieces_folder(output)
    with held_alone(folder, "geneface render"):
        try:
            pieces = _begun(folder, key, output.suffix)
            length = max(1, round(SECONDS * fps))
            frames = frames_from(len(pieces) * length)
            for first in frames:
                path = folder / f"{len(pieces):05d}{output.suffix}"
                with open_piece(path) as writer:
                    for frame in itertools.chain([first], itertools.islice(frames, length - 1)):
                        writer.write(frame)
                pieces.append(path)
            count = join(pieces)
        except InputError as error:
            # The same command would come here again, unless there is room for it then.
            if not is_full(error) or not any(folder.glob("[0-9]*")):
                shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)
    return count


def pieces_folder(output: Path) -> Path:
    """Where the pieces of a video lie while it is made."""
    return output.parent / f".{output.name}.pieces"


def _begun(folder: Path, key: str, suffix: str) -> list[Path]:
    """The finished pieces of that key, in order; others are removed."""
    noted = folder / "key"
    if not noted.is_file() or noted.read_text() != key:
        for path in folder.iterdir():
            path.unlink()
        with written_whole(noted) as temporary:
            temporary.write_text(key)
    numbered = (folder / f"{number:05d}{suffix}" for number in itertools.count())
    return list(itertools.takewhile(Path.is_file, numbered))
