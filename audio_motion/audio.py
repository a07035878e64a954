"""Sound from any file on the file's own time line: mono at the rate the system works in, or its channels at any rate.

There is one decoder: what motion is made from and what goes into a video lie in the same places, however broken a
file's clock is.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Disposition

from audio_motion.errors import InputError

SAMPLE_RATE = 16000
"""Hz; of all sound inside the system."""

_GAP = 0.05
"""Seconds that a frame's timestamp may be ahead of the samples so far before silence fills the hole."""
_LONGEST_GAP = 60.0
"""Seconds; a longer jump is a broken clock, not a pause, and is ignored."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioInfo:
    """What a file's first sound track is."""

    sample_rate: int
    """Hz."""
    channels: int
    duration: float
    """Seconds, as the file states it; the decoded sound may differ by a codec's padding."""


def audio_info(path: Path) -> AudioInfo:
    """Describe the first sound track of a file.

    Raises:
        InputError: no such file, not media, no sound track, or a sound track of zero length.
    """
    with _opened(Path(path)) as (container, stream):
        rate, channels = stream.rate, stream.channels
        duration = None
        if stream.duration and stream.time_base:
            duration = float(stream.duration * stream.time_base)
        elif container.duration:
            duration = container.duration / av.time_base
    if not duration:  # a live recording's container often names none: count
        samples = sum(len(chunk) for chunk in stream_audio(path, SAMPLE_RATE))
        duration = samples / SAMPLE_RATE
    return AudioInfo(rate, channels, duration)


def load_audio(path: Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The first sound track of any file that FFmpeg reads, mixed down and resampled.

    Returns:
        float32 [S] mono in [-1, 1]. Sample i is at i / sample_rate seconds of the file's own time line, which starts
        at the first picture where the file has pictures and at the first sample otherwise.

    Raises:
        InputError: as `stream_audio`.
    """
    return np.concatenate(list(stream_audio(path, sample_rate)))


def stream_audio(path: Path, sample_rate: int = SAMPLE_RATE, chunk_seconds: float = 10.0) -> Iterator[np.ndarray]:
    """What `load_audio` gives, in chunks and in constant memory.

    Yields:
        float32 [round(chunk_seconds * sample_rate)] mono; the last chunk may be shorter. Never an empty chunk.

    Raises:
        InputError: no such file, not media, no sound track, or nothing in it can be decoded.
    """
    size = max(1, round(chunk_seconds * sample_rate))
    waiting: list[np.ndarray] = []
    held = 0
    for (block,) in stream_channels(path, sample_rate, "mono"):
        waiting.append(block)
        held += len(block)
        if held >= size:
            joined = np.concatenate(waiting)
            whole = held - held % size
            yield from np.split(joined[:whole], whole // size)
            waiting, held = [joined[whole:]], held - whole
    if held:
        yield np.concatenate(waiting)


def stream_channels(path: Path, sample_rate: int, layout: str) -> Generator[np.ndarray, None, None]:
    """The first sound track of a file, in constant memory, on the time line of `load_audio`.

    Holes in the track, and packets that cannot be decoded, become silence, so that the rest stays in place. A clock
    that jumps by more than a minute is broken and ignored: the samples themselves then keep the time.

    Args:
        layout: FFmpeg's name of the channels wanted ("mono", "stereo", "5.1"); the file's are mixed to it.

    Yields:
        float32 [channels, n] in [-1, 1], n as they come. Never an empty block.

    Raises:
        InputError: as `stream_audio`.
    """
    empty = True
    for block in _decoded(Path(path), sample_rate, layout):
        if block.shape[1]:
            yield block
            empty = False
    if empty:
        raise InputError(f"{path}: its sound track is empty or cannot be decoded; give a file with sound in it")


def _decoded(path: Path, sample_rate: int, layout: str) -> Iterator[np.ndarray]:
    with _opened(path) as (container, stream):
        mixer = _Mixer(sample_rate, layout)
        first_picture = _first_picture(container)
        origin = None
        clock = 0.0  # time of the next frame's first sample, by counting
        made = 0  # index of the next sample to give; negative while before time 0
        for frame in _frames(path, container, stream):
            time = clock if frame.time is None else frame.time - (origin or 0.0)
            if origin is None:
                origin = first_picture if first_picture is not None else (frame.time or 0.0)
                time = (frame.time or 0.0) - origin
                if abs(time) > _LONGEST_GAP:
                    time = 0.0
                clock, made = time, round(min(time, 0.0) * sample_rate)
            blocks = []
            if _GAP < time - clock < _LONGEST_GAP or made == 0 < time:
                blocks.append(mixer.flush())
                blocks.append(mixer.silence(max(0, round(time * sample_rate) - made - blocks[0].shape[1])))
                clock = time
            blocks.append(mixer.mix(frame))
            clock += frame.samples / frame.sample_rate
            for block in blocks:
                yield block[:, max(0, -made) :]
                made += block.shape[1]
        yield mixer.flush()[:, max(0, -made) :]


class _Mixer:
    """Mixes frames to one layout and resamples them; follows changes of format inside a stream."""

    def __init__(self, sample_rate: int, layout: str) -> None:
        self.sample_rate = sample_rate
        self.layout = AudioLayout(layout)
        self._resampler: AudioResampler | None = None
        self._format: tuple | None = None

    def mix(self, frame: AudioFrame) -> np.ndarray:
        """The samples, float32 [channels, n], that have become ready."""
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        late = self.flush() if given != self._format else self.silence(0)
        if self._resampler is None:
            # Integer output makes FFmpeg scale a down-mix so that it cannot clip; float output does not.
            self._resampler = AudioResampler(format="s32p", layout=self.layout, rate=self.sample_rate)
            self._format = given
        frame.pts = None  # places are kept by the caller; FFmpeg must not stretch sound to follow timestamps
        return np.concatenate([late, *map(_samples, self._resampler.resample(frame))], axis=1)

    def flush(self) -> np.ndarray:
        """The samples, float32 [channels, n], still inside; the next frame starts afresh."""
        if self._resampler is None:
            return self.silence(0)
        rest = self._resampler.resample(None)
        self._resampler = None
        return np.concatenate([self.silence(0), *map(_samples, rest)], axis=1)

    def silence(self, count: int) -> np.ndarray:
        """float32 [channels, count]."""
        return np.zeros((self.layout.nb_channels, count), np.float32)


def _samples(frame: AudioFrame) -> np.ndarray:
    return (frame.to_ndarray() * (1.0 / 2**31)).astype(np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; expected a sound or video file")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a sound or video file that can be read ({_reason(error)}); convert it or give another"
        ) from error
    with container:
        if not container.streams.audio:
            raise InputError(f"{path}: has no sound track; give a file with sound in it")
        yield container, container.streams.audio[0]


def _frames(path: Path, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded frames; a damaged packet is left out (its time becomes silence), a broken end is the end."""
    clock = 0.0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:
            _log.warning("%s: broken after %.2f s (%s); the rest is left out", path, clock, _reason(error))
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            _log.warning("%s: damaged near %.2f s (%s); that moment is silent", path, clock, _reason(error))
            continue
        for frame in frames:
            if frame.samples and frame.sample_rate:
                yield frame
                clock += frame.samples / frame.sample_rate


def _first_picture(container: InputContainer) -> float | None:
    """Time in seconds of the first picture; None where the file has no moving pictures (a cover does not count)."""
    for video in container.streams.video:
        if not video.disposition & Disposition.attached_pic:
            return float((video.start_time or 0) * Fraction(video.time_base or 0))
    return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
