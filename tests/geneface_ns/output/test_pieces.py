"""A video in pieces: stopped anywhere, the same again gives what an undisturbed run gives, and leaves nothing else."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from geneface_ns.output.join import join
from geneface_ns.output.pieces import SECONDS, pieces_folder, write_in_pieces
from geneface_ns.output.video import VideoWriter
from tests.geneface_ns.output.test_join import decoded, pictures
from tests.geneface_ns.output.test_video import audio_rate, count, write_wav

FPS = 2.0
LENGTH = int(SECONDS * FPS)
TOTAL = 2 * LENGTH + 3


class Stopped(Exception):
    """As a kill, as far as files are concerned."""


def write(
    output: Path, sound: Path | None = None, key: str = "a", stop: int | None = None, error: Exception | None = None
) -> list[int]:
    """Write a video; returns the frames that were made. At frame `stop` it ends with an error."""
    made: list[int] = []

    def frames_from(first: int) -> Iterator[np.ndarray]:
        for number in range(first, TOTAL):
            if number == stop:
                raise error or Stopped
            made.append(number)
            yield pictures(1, number)[0]

    frames = write_in_pieces(
        output,
        key,
        FPS,
        frames_from,
        lambda path: VideoWriter(path, (64, 48), FPS),
        lambda pieces: join(output, pieces, Fraction(2), sound),
    )
    assert frames == TOTAL
    return made


def test_stopped_and_begun_again(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "in.wav", TOTAL / FPS, 16000)
    whole, other = tmp_path / "whole" / "a.mp4", tmp_path / "other" / "a.mp4"
    assert write(whole, sound) == list(range(TOTAL))
    for stop in (4, LENGTH + 4, TOTAL - 1):
        with pytest.raises(Stopped):
            write(other, sound, stop=stop)
        assert not other.exists()
    assert write(other, sound) == list(range(2 * LENGTH, TOTAL))
    assert [path.name for path in other.parent.iterdir()] == ["a.mp4"]
    np.testing.assert_array_equal(decoded(other)[0], decoded(whole)[0])
    frames, heard = count(other)
    assert frames == TOTAL
    assert heard.shape[1] / audio_rate(other) == pytest.approx(TOTAL / FPS, abs=1 / FPS)


def test_stopped_while_it_is_put_together(tmp_path: Path) -> None:
    output = tmp_path / "a.mp4"
    with pytest.raises(Stopped):
        write(output, stop=TOTAL - 1)
    with pytest.raises(InputError, match=r"absent\.wav"):
        write(output, tmp_path / "absent.wav")
    assert list(tmp_path.iterdir()) == []  # it would happen again


def test_pieces_of_something_else_are_not_taken(tmp_path: Path) -> None:
    output = tmp_path / "a.mp4"
    with pytest.raises(Stopped):
        write(output, stop=TOTAL - 1)
    assert len(list(pieces_folder(output).glob("0*"))) == 2
    assert write(output, key="b") == list(range(TOTAL))


def test_only_a_full_disk_keeps_what_is_there(tmp_path: Path) -> None:
    output = tmp_path / "a.mp4"
    full = InputError("no room")
    full.__cause__ = OSError(errno.ENOSPC, "no room")
    for error, kept in ((full, 1), (InputError("damaged"), 0)):
        with pytest.raises(InputError):
            write(output, stop=LENGTH + 1, error=error)
        assert len(list(pieces_folder(output).glob("0*"))) == kept
    with pytest.raises(InputError):
        write(output, stop=1, error=full)
    assert list(tmp_path.iterdir()) == []
