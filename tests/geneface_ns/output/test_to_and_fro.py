"""A video forwards and backwards: every frame exact, each decoded once a pass, a block of them held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from geneface_ns.motion.trajectory import pingpong_index
from geneface_ns.output import to_and_fro as walk
from geneface_ns.output.to_and_fro import KEPT, to_and_fro

SHAPE = (37, 51, 3)  # odd, as no video is


class Video:
    """Noise, another in every frame; counts what is decoded."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.decoded = 0

    def frame(self, index: int) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 256, SHAPE, np.uint8)

    def read(self) -> Iterator[np.ndarray]:
        for index in range(self.count):
            self.decoded += 1
            yield self.frame(index)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three frames."""
    monkeypatch.setattr(walk, "HELD_BYTES", 3 * int(np.prod(SHAPE)))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 9])
def test_the_order_is_the_trajectorys_own_and_every_frame_exact(tmp_path: Path, small_blocks: None, count: int) -> None:
    video = Video(count)
    shown = list(islice(to_and_fro(video.read, count, tmp_path), 40))
    for frame, index in zip(shown, pingpong_index(np.arange(40), count), strict=True):
        np.testing.assert_array_equal(frame, video.frame(int(index)))
    for first in range(20):  # from the middle, as a video that is gone on with
        for frame, known in zip(
            to_and_fro(video.read, count, tmp_path, first), shown[first : first + 15], strict=False
        ):
            np.testing.assert_array_equal(frame, known)


def test_every_pass_decodes_each_frame_once(tmp_path: Path, small_blocks: None) -> None:
    video = Video(60)
    list(islice(to_and_fro(video.read, 60, tmp_path), 4 * 59))  # there and back, twice
    assert video.decoded <= 3 * 60 + 2  # forwards twice, once for what is kept, and for the size
    before = video.decoded
    # A run that was killed on the way back finds what was kept.
    (tmp_path / KEPT.format(7)).unlink()
    shown = list(islice(to_and_fro(video.read, 60, tmp_path, 60), 59))
    np.testing.assert_array_equal(shown[0], video.frame(58))
    np.testing.assert_array_equal(shown[-1], video.frame(0))
    assert video.decoded <= before + 60 + 2
    assert len(list(tmp_path.iterdir())) == 20


def test_memory_is_that_of_two_blocks(tmp_path: Path) -> None:
    """Of the frames that numpy holds; longer blocks than these are LONGEST_BLOCK frames."""
    video = Video(300)
    size = int(np.prod(SHAPE))
    tracemalloc.start()
    try:
        list(map(np.shape, islice(to_and_fro(video.read, 300, tmp_path), 599)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * walk.LONGEST_BLOCK * size


def test_what_is_kept_may_be_damaged(tmp_path: Path, small_blocks: None) -> None:
    video = Video(8)
    list(islice(to_and_fro(video.read, 8, tmp_path), 12))
    (tmp_path / KEPT.format(2)).rename(tmp_path / KEPT.format(0))
    with pytest.raises(InputError, match=r"original-00000\.mkv: damaged \(1 of 3 frames\); run the same command again"):
        list(islice(to_and_fro(video.read, 8, tmp_path, 8), 7))
    (tmp_path / KEPT.format(1)).write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"original-00001\.mkv: damaged"):
        list(islice(to_and_fro(video.read, 8, tmp_path, 8), 7))
