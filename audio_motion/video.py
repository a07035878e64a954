"""Reading video: what a file holds, and its frames one at a time, upright and by timestamp."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from audio_motion.errors import InputError

PACKETS_LOOKED_AT = 1500
"""How many packets `probe` reads to learn whether frames are evenly spaced: a minute at 25 fps."""

MISSING_END_ALLOWED = 1.0
"""Seconds by which the last frame may fall short of the duration the file claims before it counts as truncated."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds."""

    width: int
    """Pixels, upright (rotation flag applied) and with square pixels."""
    height: int
    """Pixels, upright."""
    fps: float
    """Average frames per second."""
    duration: float
    """Seconds of the picture."""
    frames: int
    """Estimate of the number of frames."""
    has_audio: bool
    """Whether the file has a sound track."""
    variable_rate: bool
    """Whether the frames are unevenly spaced in time."""


def probe(path: Path) -> VideoInfo:
    """What the first video stream of `path` holds.

    Raises:
        InputError: no such file, not a video, or no frame can be decoded.
    """
    path = Path(path)
    with _opened(path) as (container, stream):
        duration = _claimed_duration(container, stream)
        times = np.sort(np.array(_packet_times(container, stream, None if duration is None else PACKETS_LOOKED_AT)))
        # What the file says may lack the last frames that an encoder holds back.
        seen = float(times[-1] - times[0]) + _median_step(times) if len(times) else 0.0
        duration = max(duration or 0.0, seen)
        variable = _uneven(times)
        fps = float(stream.average_rate or 0)
        if variable or not fps:
            measured = len(times) / seen if seen else 0.0
            whole = stream.frames / duration if stream.frames and duration else 0.0
            fps = whole or measured or fps or 25.0
        has_audio = bool(container.streams.audio)
    _, first = next(read_frames(path, threads=1), (0.0, None))
    if first is None:
        raise InputError(f"{path}: holds no picture that can be decoded; give another file")
    height, width = first.shape[:2]
    return VideoInfo(width, height, fps, duration, max(1, round(duration * fps)), has_audio, variable)


def read_frames(path: Path, fps: float | None = None, threads: int = 0) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of `path`, in order, one at a time (constant memory).

    Args:
        path: any container and codec that FFmpeg's libraries read. Rotation flag and pixel aspect are applied.
        fps: if given, frame i of the result is the one nearest to the time i / fps; else every frame of the file.
        threads: that decode; 0 for as many as there are cores.

    Yields:
        Time in seconds from the start of the file (sound and picture share that zero), and uint8 RGB [H, W, 3].

    Raises:
        InputError: no such file, not a video, or broken; the message names the second where it breaks.
    """
    frames = _native_frames(Path(path), threads)
    yield from frames if fps is None else _resampled(frames, fps)


def _native_frames(path: Path, threads: int) -> Iterator[tuple[float, np.ndarray]]:
    with _opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        stream.thread_count = threads
        claimed = _claimed_duration(container, stream)
        start = (container.start_time or 0) / av.time_base
        size: tuple[int, int] | None = None
        time, step = -1.0, 0.0
        try:
            for frame in container.decode(stream):
                now = float(frame.pts * frame.time_base) - start if frame.pts is not None else time + step
                if size is None:
                    # Later frames take the first one's size: a stream may change resolution midway.
                    size = (max(1, round(frame.width * float(stream.sample_aspect_ratio or 1))), frame.height)
                elif now <= time:
                    continue  # a repeated timestamp
                if frame.is_corrupt:
                    raise InputError(f"{path}: corrupt at {now:.2f} s; cut the video there or encode it again")
                step, time = (now - time if time >= 0 else step), now
                yield time, _upright(frame.to_ndarray(format="rgb24", width=size[0], height=size[1]), frame.rotation)
        except av.FFmpegError as error:
            where = f"at {max(time, 0.0):.2f} s"
            raise InputError(f"{path}: corrupt {where} ({error.strerror}); cut it there or encode it again") from error
        if size is None:
            raise InputError(f"{path}: holds no picture that can be decoded; give another file")
        if claimed is not None and time + step + start < claimed - MISSING_END_ALLOWED:
            raise InputError(
                f"{path}: truncated, it ends at {time:.2f} s but claims {claimed:.2f} s; copy it again or cut it there"
            )


def _resampled(frames: Iterator[tuple[float, np.ndarray]], fps: float) -> Iterator[tuple[float, np.ndarray]]:
    """Of timed frames, the nearest to each i / fps; the last frame lasts as long as the one before it."""
    index = 0
    previous: tuple[float, np.ndarray] | None = None
    step = 1 / fps
    for time, rgb in frames:
        if previous is not None:
            step = time - previous[0]
            # A tie goes to the earlier frame, whatever the rounding of the timestamps.
            while index / fps <= previous[0] + step / 2 + 1e-4:
                yield index / fps, previous[1]
                index += 1
        previous = (time, rgb)
    while previous is not None and (index / fps < previous[0] + step - 1e-4 - 0.5 / fps or index == 0):
        yield index / fps, previous[1]
        index += 1


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Container and first video stream.

    Raises:
        InputError: as `probe`.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; give a video")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a video, or broken ({error.strerror}); give an mp4, mov, mkv or webm") from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path}: has no picture; give a video")
        yield container, container.streams.video[0]


def _claimed_duration(container: Any, stream: Any) -> float | None:
    """Seconds that the file says its picture lasts; None where it does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    tag = next((value for key, value in stream.metadata.items() if key.upper() == "DURATION"), None)
    if tag:
        hours, minutes, seconds = tag.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if container.duration and not container.streams.audio:
        return container.duration / av.time_base
    return None


def _packet_times(container: Any, stream: Any, limit: int | None) -> list[float]:
    times: list[float] = []
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                times.append(float(packet.pts * packet.time_base))
            if limit is not None and len(times) >= limit:
                break
    except av.FFmpegError:
        pass  # how far it is readable is for read_frames to say, with the second
    return times


def _median_step(times: np.ndarray) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _uneven(times: np.ndarray) -> bool:
    """Whether steps differ by more than containers' rounding to milliseconds explains."""
    # The last packets seen may have neighbours in time that were not read yet (decoding order differs from time).
    steps = np.diff(times)[:-4] if len(times) > 16 else np.diff(times)
    if len(steps) == 0:
        return False
    return bool((np.abs(steps - np.median(steps)) > 0.1 * np.median(steps) + 0.0015).any())


def _upright(rgb: np.ndarray, rotation: int) -> np.ndarray:
    """Turn a frame by the display matrix's angle (degrees, counterclockwise; multiples of 90 as cameras write)."""
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb
