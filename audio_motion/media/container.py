"""Opening a media file, and choosing among its streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from audio_motion.errors import InputError

AnyStream = TypeVar("AnyStream", bound=Stream)

_NOT_FILMED = Disposition.attached_pic | Disposition.timed_thumbnails
_PLAYLISTS = {"concat", "hls", "dash"}
_FOR_OTHERS = Disposition.comment | Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.dub


class Tracks(NamedTuple):
    """Which of a file's tracks are meant, where it has several. Numbers count from 1, as players show them."""

    picture: int | None = None
    """Of its picture tracks; None for the one that players show."""
    sound: int | None = None
    """Of its sound tracks; None for the one that players play."""


AS_PLAYED = Tracks()


@contextmanager
def opened(path: Path, expected: str) -> Iterator[InputContainer]:
    """A media file, open for reading.

    Args:
        expected: what the user should have given, as in "a video".

    Raises:
        InputError: no such file, a folder, or nothing that FFmpeg's libraries read.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; expected {expected}")
    try:
        # The prefix keeps a name such as 12:30.mp4 from being taken for a protocol, and the list keeps a playlist that
        # calls itself .mp4 from making us fetch what it names. Tags may be in any encoding.
        container = av.open(f"file:{path}", metadata_errors="replace", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not {expected} that can be read ({reason(error)}); convert it or give another"
        ) from error
    with container:
        if container.format.name in _PLAYLISTS:
            raise InputError(f"{path}: a playlist, which names other files; expected {expected}")
        yield container


def choose_sound(path: Path, container: InputContainer, number: int | None) -> tuple[AudioStream | None, list[str]]:
    """The sound track that is meant: the one asked for, or the one that players play.

    Returns:
        The stream, None where the file has no sound track that can be decoded, and what the user should know of it.

    Raises:
        InputError: the track asked for is not there or cannot be decoded.
    """
    tracks = container.streams.audio
    if number is not None:
        return _asked_for(path, tracks, number, "sound"), []
    usable = [stream for stream in tracks if decodable(stream)]
    if not usable:
        return None, []
    chosen = next((s for s in usable if is_default(s) and not s.disposition & _FOR_OTHERS), None)
    chosen = chosen or next((s for s in usable if not s.disposition & _FOR_OTHERS), usable[0])
    return chosen, _note_choice(tracks, chosen, "sound")


def choose_picture(
    path: Path, container: InputContainer, number: int | None, counts: dict[int, int]
) -> tuple[VideoStream | None, list[str]]:
    """The picture track that is meant: the one asked for, or the moving one that players show.

    Args:
        counts: how many pictures each stream holds, by its index.

    Returns:
        The stream, None where the file has no moving picture that can be decoded, and what the user should know of it.

    Raises:
        InputError: the track asked for is not there, does not move, or cannot be decoded.
    """
    tracks = container.streams.video
    if number is not None:
        stream = _asked_for(path, tracks, number, "picture")
        if counts.get(stream.index, 0) < 2:
            raise InputError(f"{path}: --picture-track {number} is a still picture; choose one that moves")
        return stream, []
    moving = [stream for stream in tracks if is_film(stream) and counts[stream.index] > 1]
    if not moving:
        return None, []
    chosen = next((stream for stream in moving if is_default(stream)), moving[0])
    return chosen, _note_choice(moving, chosen, "picture", tracks)


def known_stream(path: Path, streams: Sequence[AnyStream], index: int) -> AnyStream:
    """The one of some streams that had this index when the file was looked at first.

    Raises:
        InputError: there is none any more.
    """
    found = next((stream for stream in streams if stream.index == index), None)
    if found is None:
        raise InputError(f"{path}: has changed while it was read; leave it alone and run the command again")
    return found


def decodable(stream: Stream) -> bool:
    """Whether there is a decoder for a stream."""
    return stream.codec_context is not None


def is_film(stream: VideoStream) -> bool:
    """Whether a picture stream may be moving and can be decoded: no cover, no thumbnails."""
    return decodable(stream) and not stream.disposition & _NOT_FILMED


def is_default(stream: Stream) -> bool:
    """Whether the file marks a stream as the one to play."""
    return bool(stream.disposition & Disposition.default)


def reason(error: Exception) -> str:
    """What went wrong, in the library's own few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _asked_for(path: Path, tracks: Sequence, number: int, kind: str):  # type: ignore[no-untyped-def]
    if not 1 <= number <= len(tracks):
        there = f"{len(tracks)} {kind} tracks, numbered from 1" if len(tracks) > 1 else f"{len(tracks)} {kind} track"
        raise InputError(f"{path}: has no {kind} track {number}; it has {there}")
    if not decodable(tracks[number - 1]):
        raise InputError(f"{path}: {kind} track {number} is in a format that cannot be decoded; choose another")
    return tracks[number - 1]


def _note_choice(among: Sequence[Stream], chosen: Stream, kind: str, tracks: Sequence[Stream] = ()) -> list[str]:
    if len(among) < 2:
        return []
    number = list(tracks or among).index(chosen) + 1
    if is_default(chosen) and not all(map(is_default, among)):
        why = "the one marked default"
    else:
        why = "the first" if number == 1 else "the first that can be used"
    return [f"there are {len(among)} {kind} tracks; number {number} was taken, {why} (--{kind}-track chooses another)"]
