"""The frames of a video forwards and backwards without an end, in a time that goes with their number.

Videos are decoded forwards only, and where one may begin to decode is for each of them to choose, often once in ten
seconds. So what is to be shown backwards is kept on disk, without a loss, in short blocks that are read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path

import av
import numpy as np

from audio_motion.errors import InputError, one_line
from audio_motion.files import written_whole

HELD_BYTES = 128_000_000
"""Of the frames of a block, which are held at once."""
LONGEST_BLOCK = 50
"""Frames."""
KEPT = "original-{:05d}.mkv"
"""Name of a block of frames."""
_LOSSLESS = {"preset": "ultrafast", "qp": "0"}
"""Of x264 in RGB: every value comes back."""


def to_and_fro(
    read: Callable[[], Iterator[np.ndarray]], count: int, folder: Path, first: int = 0
) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] forwards and backwards without an end, as a trajectory is replayed.

    Args:
        read: begins at the first of the frames again.
        count: how many there are.
        folder: where to keep frames for the way back. What lies there already is used, so it must be of this video.
        first: how many steps of the walk to leave out.
    """
    if count == 1:
        yield from repeat(next(read()))
    there_and_back = 2 * (count - 1)
    position = first % there_and_back
    if position < count:
        yield from islice(read(), position, None)
        position = count
    while True:
        yield from _backwards(read, count - 1, there_and_back - position + 1, folder)
        yield from islice(read(), 1, None)
        position = count


def _backwards(read: Callable[[], Iterator[np.ndarray]], count: int, stop: int, folder: Path) -> Iterator[np.ndarray]:
    """The frames before number `stop`, the last first; the first `count` are kept."""
    one = next(read())
    length = min(LONGEST_BLOCK, max(1, HELD_BYTES // one.nbytes))
    blocks = [folder / KEPT.format(number) for number in range(-(-count // length))]
    if not all(map(Path.is_file, blocks)):
        frames = islice(read(), count)
        for path in blocks:
            block = list(islice(frames, length))
            if not path.is_file():
                _keep(path, block)
    for number, path in reversed(list(enumerate(blocks))):
        if number * length < stop:
            yield from reversed(_kept(path, min(length, count - number * length))[: stop - number * length])


def _keep(path: Path, frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    with written_whole(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264rgb", rate=Fraction(25), options=_LOSSLESS)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _kept(path: Path, count: int) -> list[np.ndarray]:
    """Raises InputError where the file is not what was kept there."""
    try:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        if len(frames) != count:
            raise ValueError(f"{len(frames)} of {count} frames")
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"{path}: damaged ({one_line(error)}); run the same command again") from error
    return frames
