"""Where the pictures and the sound of a file lie in time: one zero for both, whatever each stream's own first time.

Every packet's time is read once, without decoding: rates may change midway, frames may be held, and what a header
claims is often wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container.input import InputContainer
from av.video.frame import VideoFrame

from audio_motion.errors import InputError
from audio_motion.media.container import (
    AS_PLAYED,
    Tracks,
    choose_picture,
    choose_sound,
    decodable,
    is_film,
    known_stream,
    opened,
)
from audio_motion.media.decode import decoded_pictures
from audio_motion.media.rate import choose_rate

MISSING_END_ALLOWED = 1.0
"""Seconds by which everything in a file may fall short of the length it claims before it counts as truncated."""
LONGEST_PICTURE = 60.0
"""Seconds that one picture may be shown; a longer one is a broken clock."""
LONGEST_GAP_IN_STREAM = 10.0
"""The same in formats made for broadcast, whose clocks jump where recordings were joined."""
_LARGEST_ASPECT = 8
"""Of a pixel, width over height or the other way round; more is not meant."""
_WITHOUT_TIMES = {"avi"}
_EXACT_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"}
"""Formats whose header tells the length; of others it is an estimate."""


@dataclass(frozen=True)
class Clock:
    """A file's time line, in seconds. Time 0 is when its first whole picture is shown, or the first sample of a file
    without pictures.
    """

    picture: int | None
    """Index of the picture's stream; None without a moving picture."""
    sound: int | None
    """Index of the sound's stream; None without one that can be decoded."""
    zero: float | None
    """Where time 0 is on the container's own clock; None without a picture."""
    times: np.ndarray
    """float64 [T]: when each picture is shown, ascending from 0; a rare one may turn out not to be decodable."""
    end: float
    """When the last picture ends."""
    fps: float
    """Pictures per second, those of the dense stretches where the rate varies; see `choose_rate`."""
    first_key: int
    """Number of the first picture packet from which on can be decoded."""
    stamps: tuple[float, ...] | None
    """The times of the pictures in the order they are shown, on the container's own clock, where it stores none: AVI
    has places, one a tick, and what is at each is not what is shown then."""
    first: VideoFrame | None = field(repr=False)
    """The first whole picture."""
    pixel_aspect: float
    """Width of a pixel over its height."""
    sounds: int
    """How many sound tracks there are, those that cannot be decoded included."""
    broken: str | None
    """Why the pictures cannot be used to their end, in one line."""
    picture_notes: tuple[str, ...]
    """What the user should know of how the pictures are read, a line each."""
    sound_notes: tuple[str, ...]
    """The same of the sound."""


def read_clock(path: Path, tracks: Tracks = AS_PLAYED) -> Clock:
    """The time line of a media file.

    Raises:
        InputError: no such file, not media, or the tracks asked for are not there.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError:
        stat = None  # opening it says what is wrong
    return _read_clock(path.absolute(), tracks, stat and (stat.st_size, stat.st_mtime_ns), path)


@lru_cache(maxsize=4)
def _read_clock(absolute: Path, tracks: Tracks, version: object, path: Path) -> Clock:
    with opened(path, "a sound or video file") as container:
        sound, sound_notes = choose_sound(path, container, tracks.sound)
        heard, sounds = sound.index if sound is not None else None, len(container.streams.audio)
        table = _read_packets(container) if any(map(is_film, container.streams.video)) else {}
        counts = {index: len(packets.times) for index, packets in table.items()}
        picture, notes = choose_picture(path, container, tracks.picture, counts)
        if picture is None:
            nothing = np.zeros(0)
            return Clock(None, heard, None, nothing, 0.0, 0.0, 0, None, None, 1.0, sounds, None, (), tuple(sound_notes))
        index, packets = picture.index, table[picture.index]
        shown = np.unique(np.round(packets.filled(picture), 6))
        known = [rate for rate in (picture.average_rate, picture.guessed_rate) if rate]
        aspect = float(picture.sample_aspect_ratio or 1)
        form, claimed = container.format.name, _claimed_end(container)
    stamps = tuple(shown[packets.first_key :].tolist()) if form in _WITHOUT_TIMES else None
    zero, first = _first_picture(path, index, packets.first_key, stamps)
    times = shown[shown >= zero - 1e-4] - zero
    left_out = zero - float(shown[0])
    if left_out > 1e-3:
        notes.append(f"the file begins inside a group of pictures: its first {left_out:.2f} s cannot be decoded")
    end = float(times[-1]) + (packets.last_length or (float(np.median(np.diff(times))) if len(times) > 1 else 0.04))
    return Clock(
        picture=index,
        sound=heard,
        zero=zero,
        times=times,
        end=end,
        fps=choose_rate(times, end, known),
        first_key=packets.first_key,
        stamps=stamps,
        first=first,
        pixel_aspect=aspect if 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT else 1.0,
        sounds=sounds,
        broken=_broken(path, form, packets, times, claimed, max(one.end for one in table.values())),
        picture_notes=tuple(notes),
        sound_notes=tuple(sound_notes),
    )


class _Packets:
    """What is known of a stream's packets."""

    def __init__(self) -> None:
        self.times: list[float | None] = []
        """Of those that are shown, in the order they are stored."""
        self.first_key = 0
        self.end = -np.inf
        self.last_length: float | None = None
        self.jump: tuple[float, float] | None = None
        """Seconds into the stream after which its clock jumps back, and by how many."""
        self._latest = -np.inf
        self._count = 0
        self._keyed = False
        self._decoding: float | None = None
        self._first_decoding = 0.0

    def add(self, packet: av.Packet, by_place: bool) -> None:
        """The next one; `by_place`: the container stores no times, but places."""
        if packet.is_keyframe and not self._keyed:
            self._keyed, self.first_key = True, self._count
        self._count += 1
        if packet.is_discard:
            return
        stamps = (packet.dts, packet.pts) if by_place else (packet.pts, packet.dts)
        length = float(packet.duration * packet.time_base) if packet.duration else None
        time = next((float(stamp * packet.time_base) for stamp in stamps if stamp is not None), None)
        self.times.append(time)
        if time is None:
            return
        if time >= self._latest:
            self._latest, self.last_length = time, length
            self.end = max(self.end, time + (length or 0.0))
        if packet.dts is not None:
            decoding = float(packet.dts * packet.time_base)
            if self._decoding is not None and self.jump is None and decoding < self._decoding - MISSING_END_ALLOWED:
                self.jump = (self._decoding - self._first_decoding, self._decoding - decoding)
            if self._decoding is None:
                self._first_decoding = decoding
            self._decoding = decoding

    def filled(self, stream: av.VideoStream) -> np.ndarray:
        """All times; where a packet has none, counted on from the one before."""
        step = 1 / float(stream.guessed_rate or stream.average_rate or 25)
        times, last = [], -step
        for time in self.times:
            last = last + step if time is None else time
            times.append(last)
        return np.array(times)


def _read_packets(container: InputContainer) -> dict[int, _Packets]:
    """Of every picture and sound stream that can be decoded, by its index."""
    streams = [s for s in (*container.streams.video, *container.streams.audio) if decodable(s)]
    table = {stream.index: _Packets() for stream in (*container.streams.video, *container.streams.audio)}
    if not streams:
        return table
    try:
        for packet in container.demux(streams):
            if packet.size or packet.pts is not None:
                table[packet.stream_index].add(packet, container.format.name in _WITHOUT_TIMES)
    except av.FFmpegError:
        pass  # how far it is readable is for the readers to say, with the second
    return table


def _first_picture(
    path: Path, index: int, first_key: int, stamps: tuple[float, ...] | None
) -> tuple[float, VideoFrame]:
    with opened(path, "a video") as container:
        stream = known_stream(path, container.streams.video, index)
        found = next(decoded_pictures(path, container, stream, first_key, stamps), None)
    if found is None:
        raise InputError(f"{path}: holds no picture that can be decoded; give another file")
    return found


def _claimed_end(container: InputContainer) -> float | None:
    """Second at which the file says that its picture or sound ends, whichever is later; None where it does not say."""
    if container.format.name not in _EXACT_LENGTH or not container.duration:
        return None
    if len(container.streams) > len(container.streams.video) + len(container.streams.audio):
        return None  # the length may be that of subtitles or of a track of notes
    return container.duration / av.time_base


def _broken(
    path: Path, form: str, packets: _Packets, times: np.ndarray, claimed: float | None, reached: float
) -> str | None:
    """Why the pictures cannot be used to their end, if so."""
    longest = LONGEST_PICTURE if form in _EXACT_LENGTH else LONGEST_GAP_IN_STREAM
    steps = np.diff(times)
    mend = "convert it once to a file with one clock, as `ffmpeg -i IN -c copy OUT.mp4` does, or give the parts"
    if packets.jump is not None:
        after, by = packets.jump
        return f"{path}: its clock jumps back by {by:.2f} s after {after:.2f} s, as where files were joined; {mend}"
    if len(steps) and steps.max() > longest:
        at = float(times[int(steps.argmax())])
        return f"{path}: its clock jumps by {steps.max():.1f} s at {at:.2f} s; {mend}"
    if claimed is not None and reached < claimed - MISSING_END_ALLOWED:
        return (
            f"{path}: truncated, it ends at {reached:.2f} s but claims {claimed:.2f} s; copy it again or cut it there"
        )
    return None
