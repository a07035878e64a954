"""The pictures of a video: what a file holds, and its frames one at a time, as players show them, by time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from audio_motion.errors import InputError
from audio_motion.media.allocator import map_large_blocks
from audio_motion.media.clock import Clock, read_clock
from audio_motion.media.colour import dynamic_range
from audio_motion.media.container import AS_PLAYED, Tracks, known_stream, opened, reason
from audio_motion.media.decode import decoded_pictures
from audio_motion.media.interlace import deinterlaced
from audio_motion.media.lazy_frame import Converter, LazyFrame, Orientation

_SLACK = 1e-4
"""Seconds within which two times are one, whatever the rounding of the file's."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds."""

    width: int
    """Pixels, upright (display matrix applied) and with square pixels."""
    height: int
    """Pixels, upright."""
    fps: float
    """Frames per second; where the rate varies, that of the dense stretches."""
    duration: float
    """Seconds of the picture."""
    frames: int
    """How many frames `read_frames` gives at `fps`."""
    has_audio: bool
    """Whether the file has a sound track that can be decoded."""
    notes: tuple[str, ...]
    """What the user should know of how it is read, a line each."""


def probe(path: Path, tracks: Tracks = AS_PLAYED) -> VideoInfo:
    """What a video file holds.

    Raises:
        InputError: no such file, not a video, no moving picture that can be decoded, truncated, or a clock that jumps.
    """
    clock = _usable(path, tracks)
    assert clock.first is not None
    frame = clock.first
    width, height = _square(frame, clock.pixel_aspect)
    width, height = Orientation.of(frame).size(width, height)
    notes = [*clock.picture_notes, *clock.sound_notes]
    hdr = dynamic_range(frame)
    if hdr:
        notes.append(
            f"the picture is in high dynamic range ({hdr}) and was tone-mapped: film in standard range if you can"
        )
    if frame.interlaced_frame:
        notes.append("the picture is interlaced and was deinterlaced: film progressively if you can")
    count = _grid(clock.end, clock.fps)
    return VideoInfo(width, height, clock.fps, clock.end, count, clock.sound is not None, tuple(notes))


def read_frames(
    path: Path,
    fps: float | None = None,
    threads: int = 0,
    tracks: Tracks = AS_PLAYED,
    deinterlace: bool = False,
) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a video, in order, one at a time (constant memory): upright, square pixels, BT.709's colours.

    High dynamic range is tone-mapped and interlaced pictures are deinterlaced.

    Args:
        path: any container and codec that FFmpeg's libraries read.
        fps: if given, frame i of the result is what is shown at i / fps: every frame that lasts so long is there, and
            one that lasts longer is held. Else every frame of the file.
        threads: that decode; 0 for as many as there are cores.
        deinterlace: pictures that the file does not call interlaced as well.

    Yields:
        Time in seconds on the file's own time line, which starts at the first picture (sound shares it), and uint8 RGB
        [H, W, 3].

    Raises:
        InputError: as `probe`, or damaged; the message names the second.
    """
    for time, frame in lazy_frames(path, fps, threads, tracks, deinterlace):
        yield time, frame.rgb


def lazy_frames(
    path: Path,
    fps: float | None = None,
    threads: int = 0,
    tracks: Tracks = AS_PLAYED,
    deinterlace: bool = False,
    turn: int = 0,
) -> Iterator[tuple[float, LazyFrame]]:
    """The same frames, for those who look at parts of them, or at few.

    Args:
        turn: degrees clockwise by which they are turned: 0, 90, 180 or 270.

    Yields:
        Time in seconds as `read_frames`, and the frame.

    Raises:
        InputError: as `read_frames`.
    """
    path = Path(path)
    clock = _usable(path, tracks)
    frames = _native_frames(path, clock, threads, deinterlace, turn)
    yield from frames if fps is None else _resampled(frames, fps, clock.end)


def _usable(path: Path, tracks: Tracks) -> Clock:
    clock = read_clock(path, tracks)
    if clock.picture is None:
        raise InputError(f"{path}: has no moving picture; give a video")
    if clock.broken is not None:
        raise InputError(clock.broken)
    return clock


def _native_frames(
    path: Path, clock: Clock, threads: int, deinterlace: bool, turn: int
) -> Iterator[tuple[float, LazyFrame]]:
    assert clock.zero is not None
    assert clock.picture is not None
    map_large_blocks()
    convert, size, orientation = Converter(path), None, None
    with opened(path, "a video") as container:
        stream = known_stream(path, container.streams.video, clock.picture)
        stream.thread_type = "AUTO"
        stream.thread_count = threads
        pictures = decoded_pictures(path, container, stream, clock.first_key, clock.stamps)
        try:
            for time, picture in deinterlaced(pictures, deinterlace):
                # Asking a frame for its side data makes a cycle of the two, which stay until Python looks for such: a
                # hundred pictures, 1 GB at 2160p.
                orientation = orientation or Orientation.of(picture).clockwise(turn)
                frame = LazyFrame(picture, convert, _square(picture, clock.pixel_aspect), orientation, size)
                size = frame.size
                yield time - clock.zero, frame
        except av.FFmpegError as error:
            raise InputError(
                f"{path}: its pictures cannot be deinterlaced ({reason(error)}); encode it again"
            ) from error


def _resampled(frames: Iterator[tuple[float, LazyFrame]], fps: float, end: float) -> Iterator[tuple[float, LazyFrame]]:
    """What is shown at each i / fps. Half a step ahead counts too, so that a file at that very rate is given as it is,
    but no more than half the time since the frame before: that is the nearer one then."""
    index = 0
    previous: tuple[float, LazyFrame] | None = None
    for time, frame in frames:
        if previous is not None:
            # A tie goes to the earlier frame, whatever the rounding of the timestamps.
            until = time - min(0.5 / fps, (time - previous[0]) / 2) + _SLACK
            while index / fps <= until:
                yield index / fps, previous[1]
                index += 1
        previous = (time, frame)
    count = _grid(max(end, previous[0]) if previous is not None else 0.0, fps)
    while previous is not None and index < count:
        yield index / fps, previous[1]
        index += 1


def _grid(end: float, fps: float) -> int:
    """How many frames a picture of so many seconds is."""
    return max(1, int(np.ceil((end - _SLACK) * fps - 0.5)))


def _square(frame: VideoFrame, aspect: float) -> tuple[int, int]:
    """Width and height of a frame with square pixels, not turned."""
    return max(1, round(frame.width * aspect)), frame.height
