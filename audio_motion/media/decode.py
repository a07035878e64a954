"""From packets to whole pictures: what cannot be decoded at the start is left out, damage later is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from audio_motion.errors import InputError
from audio_motion.media.container import reason


def decoded_pictures(
    path: Path, container: InputContainer, stream: VideoStream, first_key: int, stamps: Sequence[float] | None = None
) -> Iterator[tuple[float, VideoFrame]]:
    """The pictures of a stream that are whole, each once, in the order they are shown.

    A stream may begin inside a group of pictures: the first picture is the first that needs none before it, and those
    that are shown before that one, but need one more, are left out. A damaged picture at the very end is left out too:
    that is where recordings are cut off.

    Args:
        first_key: number of the first packet that starts a group of pictures; those before it are passed over.
        stamps: the times of the pictures in the order they are shown, for a file that stores none of its own.

    Yields:
        Seconds on the container's own clock, strictly ascending, and the picture as decoded.

    Raises:
        InputError: a picture is damaged, with whole ones after it.
    """
    zero: float | None = None  # of the first whole picture
    time, step = 0.0, 0.0  # of the last one
    earliest: float | None = None
    damage: str | None = None
    given = iter(() if stamps is None else stamps)
    try:
        for packet in _packets_from(container, stream, first_key):
            if stamps is None and earliest is None and packet.pts is not None:
                earliest = float(packet.pts * packet.time_base)
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                if zero is not None:
                    damage = damage or f"corrupt at {time - zero:.2f} s ({reason(error)})"
                continue
            for frame in frames:
                if stamps is not None or frame.pts is None or frame.time_base is None:
                    stamp = next(given, None)
                else:
                    stamp = float(frame.pts * frame.time_base)
                now = time + step if stamp is None else stamp
                if zero is None:
                    if frame.is_corrupt or (stamp is not None and earliest is not None and stamp < earliest):
                        continue
                    zero = now
                elif now <= time:
                    continue  # a repeated timestamp
                elif frame.is_corrupt:
                    damage = damage or f"corrupt at {now - zero:.2f} s"
                    continue
                if damage is not None:
                    raise InputError(f"{path}: {damage}; cut the video there or encode it again")
                step, time = (now - time if now > zero else 0.0), now
                yield now, frame
    except av.FFmpegError as error:
        where = "before its first picture" if zero is None else f"at {time - zero:.2f} s"
        raise InputError(f"{path}: broken {where} ({reason(error)}); copy it again or cut it there") from error


def _packets_from(container: InputContainer, stream: VideoStream, first: int) -> Iterator[av.Packet]:
    for number, packet in enumerate(container.demux(stream)):
        if packet.size == 0 or number >= first:
            yield packet
