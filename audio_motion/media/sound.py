"""Sound from any file on the file's own time line: mono at the rate the system works in, or its channels at any rate.

There is one decoder: what motion is made from and what goes into a video lie in the same places, however broken a
file's clock is.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer

from audio_motion.errors import InputError
from audio_motion.media.clock import Clock, read_clock
from audio_motion.media.container import AS_PLAYED, Tracks, known_stream, opened, reason
from audio_motion.media.mixer import Mixer

SAMPLE_RATE = 16000
"""Hz; of all sound inside the system."""

SLOWEST_RATE, FASTEST_RATE = 1000, 3_000_000
"""Hz that a file's sound can have; others are damage, by which a second would become hours, or fill the memory."""
_LOOK_AHEAD = 0.5
"""Seconds over which all times must say that sound is missing, or is there twice: single ones jitter."""
_NOTICED = 0.003
"""Seconds of either that are mended."""
_LONGEST_GAP = 60.0
"""Seconds; a longer jump is a broken clock, not a pause, and is ignored."""
_LONGEST_OVERLAP = 1.0
"""Seconds; likewise for a jump back."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioInfo:
    """What a file's sound track is."""

    sample_rate: int
    """Hz."""
    channels: int
    notes: tuple[str, ...]
    """What the user should know of how it is read, a line each."""


def audio_info(path: Path, tracks: Tracks = AS_PLAYED) -> AudioInfo:
    """Describe the sound track of a file.

    Raises:
        InputError: no such file, not media, or no sound track that can be decoded.
    """
    clock = read_clock(path, tracks)
    with _opened(Path(path), clock) as (_, stream):
        return AudioInfo(stream.rate, stream.channels, clock.sound_notes)


def sound_seconds(path: Path, tracks: Tracks = AS_PLAYED) -> float:
    """How long the sound of a file is heard, silence before it included: what `load_audio` gives, in constant memory.

    Raises:
        InputError: as `stream_audio`.
    """
    rate = audio_info(path, tracks).sample_rate
    return sum(block.shape[1] for block in stream_channels(path, rate, "mono", tracks)) / rate


def load_audio(path: Path, sample_rate: int = SAMPLE_RATE, tracks: Tracks = AS_PLAYED) -> np.ndarray:
    """The sound of any file that FFmpeg reads, mixed down and resampled.

    Returns:
        float32 [S] mono in [-1, 1]. Sample i is at i / sample_rate seconds of the file's own time line, which starts
        at the first picture where the file has pictures and at the first sample otherwise.

    Raises:
        InputError: as `stream_audio`.
    """
    return np.concatenate(list(stream_audio(path, sample_rate, tracks=tracks)))


def stream_audio(
    path: Path,
    sample_rate: int = SAMPLE_RATE,
    chunk_seconds: float = 10.0,
    tracks: Tracks = AS_PLAYED,
) -> Iterator[np.ndarray]:
    """What `load_audio` gives, in chunks and in constant memory.

    Yields:
        float32 [round(chunk_seconds * sample_rate)] mono; the last chunk may be shorter. Never an empty chunk.

    Raises:
        InputError: no such file, not media, no sound track, or nothing in it can be decoded.
    """
    size = max(1, round(chunk_seconds * sample_rate))
    waiting: list[np.ndarray] = []
    held = 0
    for (block,) in stream_channels(path, sample_rate, "mono", tracks):
        waiting.append(block)
        held += len(block)
        if held >= size:
            joined = np.concatenate(waiting)
            whole = held - held % size
            yield from np.split(joined[:whole], whole // size)
            waiting, held = [joined[whole:]], held - whole
    if held:
        yield np.concatenate(waiting)


def stream_channels(
    path: Path,
    sample_rate: int,
    layout: str,
    tracks: Tracks = AS_PLAYED,
) -> Generator[np.ndarray, None, None]:
    """The sound of a file, in constant memory, on the time line of `load_audio`.

    Holes in the track, and packets that cannot be decoded, become silence, and what is there twice is left out, so that
    the rest stays in place. A clock that jumps by more than a minute, or back, is broken and ignored: the samples
    themselves then keep the time.

    Args:
        layout: FFmpeg's name of the channels wanted ("mono", "stereo", "5.1"); the file's are mixed to it.

    Yields:
        float32 [channels, n] in [-1, 1], n as they come. Never an empty block.

    Raises:
        InputError: as `stream_audio`.
    """
    path = Path(path)
    clock = read_clock(path, tracks)
    made = 0
    with _opened(path, clock) as (container, stream):
        try:
            for block in _mixed(_placed(_frames(path, container, stream), clock.zero), Mixer(sample_rate, layout)):
                yield block
                made += block.shape[1]
        except (av.FFmpegError, ValueError) as error:
            raise InputError(f"{path}: its sound cannot be converted ({reason(error)}); encode it again") from error
    if made == 0:
        raise InputError(f"{path}: its sound track is empty or cannot be decoded; give a file with sound in it")


def _mixed(placed: Iterator[tuple[AudioFrame, float, float]], mixer: Mixer) -> Iterator[np.ndarray]:
    """What `_placed` gives, without gaps: float32 [channels, n], never empty."""
    made = 0  # index of the next sample to give
    skip = 0  # samples to leave out before it
    for frame, time, missing in placed:
        blocks = []
        if missing > 0:
            blocks.append(mixer.flush())
            silent = round(time * mixer.sample_rate) - made - blocks[0].shape[1] + skip
            blocks.append(mixer.silence(max(0, silent)))
        elif missing < 0:
            skip += round(-missing * mixer.sample_rate)
        blocks.append(mixer.mix(frame))
        for block in blocks:
            kept = block[:, min(skip, block.shape[1]) :]
            skip -= block.shape[1] - kept.shape[1]
            if kept.shape[1]:
                yield kept
                made += kept.shape[1]
    rest = mixer.flush()[:, skip:]
    if rest.shape[1]:
        yield rest


def _placed(frames: Iterator[AudioFrame], zero: float | None) -> Iterator[tuple[AudioFrame, float, float]]:
    """Frames, the second of the file's time line at which each begins, and how many seconds of sound are missing before
    it (negative: are there already)."""
    waiting: deque[tuple[AudioFrame, float, float]] = (
        deque()
    )  # with its time by counting, and how far its stamp is ahead
    held = 0.0  # seconds of them
    moved = shift = 0.0  # how far the stamps were ahead so far, and what was mended of it
    origin: float | None = None  # of the stamps
    start = counted = ahead = 0.0

    def settle() -> tuple[AudioFrame, float, float]:
        nonlocal held, moved, shift, start
        least, most = (bound(stamp for _, _, stamp in waiting) - moved for bound in (min, max))
        jump = least if least > _NOTICED else most if most < -_NOTICED else 0.0
        missing = jump if -_LONGEST_OVERLAP < jump < _LONGEST_GAP else 0.0
        moved, shift = moved + jump, shift + missing
        missing, start = missing + start, 0.0
        frame, time, _ = waiting.popleft()
        held -= _seconds(frame)
        return frame, time + shift, missing

    for number, frame in enumerate(frames):
        stamp = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        if number == 0 and stamp is not None:
            start = 0.0 if zero is None or abs(stamp - zero) > _LONGEST_GAP else stamp - zero
            origin, counted = stamp - start, start
        if stamp is not None and origin is not None:
            ahead = stamp - origin - counted
        waiting.append((frame, counted, ahead))
        held += _seconds(frame)
        counted += _seconds(frame)
        while held > _LOOK_AHEAD and len(waiting) > 1:
            yield settle()
    while waiting:
        yield settle()


def _seconds(frame: AudioFrame) -> float:
    return frame.samples / frame.sample_rate


@contextmanager
def _opened(path: Path, clock: Clock) -> Iterator[tuple[InputContainer, AudioStream]]:
    if clock.sound is None:
        what = (
            "its sound cannot be decoded; convert it"
            if clock.sounds
            else "has no sound track; give a file with sound in it"
        )
        raise InputError(f"{path}: {what}")
    with opened(path, "a sound or video file") as container:
        stream = known_stream(path, container.streams.audio, clock.sound)
        if not SLOWEST_RATE <= (stream.rate or 0) <= FASTEST_RATE:
            raise InputError(f"{path}: its sound claims {stream.rate or 0} samples a second; encode it again")
        yield container, stream


def _frames(path: Path, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded frames; a damaged packet is left out (its time becomes silence), a broken end is the end."""
    clock = 0.0
    damaged = False
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError) as error:
            _log.warning("%s: broken after %.2f s (%s); the rest is left out", path, clock, reason(error))
            return
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            if not damaged:  # one line a file
                _log.warning("%s: damaged near %.2f s (%s); such moments are silent", path, clock, reason(error))
            damaged = True
            continue
        for frame in frames:
            if frame.samples and frame.sample_rate:
                yield frame
                clock += _seconds(frame)
