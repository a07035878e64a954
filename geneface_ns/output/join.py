"""Pieces of a picture put together to one video with its sound, without encoding the picture again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from audio_motion.files import written_whole
from audio_motion.media import AS_PLAYED, Tracks, audio_info
from geneface_ns.output.provenance import container_tags
from geneface_ns.output.soundtrack import SoundTrack
from geneface_ns.output.video import codecs_for, container_flags


def join(
    path: Path,
    pieces: Sequence[Path],
    fps: Fraction,
    sound: Path | None = None,
    tracks: Tracks = AS_PLAYED,
    replayed: bool = False,
) -> int:
    """Write the pictures of some videos one after the other, with a sound that is as long.

    Args:
        path: where to write; its suffix chooses the container.
        pieces: videos without sound that `VideoWriter` wrote, of one size, codec and options, at least one.
        fps: of all of them.
        sound, tracks: as `VideoWriter` takes them.
        replayed: as `container_tags` takes it.

    Returns:
        How many frames were written.

    Raises:
        InputError: unknown suffix, unwritable path, or unusable sound.
    """
    codecs, frames = codecs_for(path), 0
    with ExitStack() as stack:
        heard = audio_info(sound, tracks) if sound is not None else None
        temporary = stack.enter_context(written_whole(path))
        container = stack.enter_context(av.open(str(temporary), "w", options=container_flags(path)))
        container.metadata.update(container_tags(replayed=replayed))
        with av.open(str(pieces[0])) as first:
            video = container.add_stream_from_template(first.streams.video[0])
        video.time_base = 1 / fps
        track = None
        if sound is not None and heard is not None:
            track = SoundTrack(container, codecs.audio, fps, sound, heard, tracks, 0.0)
            stack.callback(track.close)
        for packet in _packets(pieces, fps):
            packet.stream = video
            container.mux(packet)
            frames += 1
            if track is not None:
                track.write_until(frames)
        if track is not None:
            track.finish()
    return frames


def _packets(pieces: Sequence[Path], fps: Fraction) -> Iterator[Any]:
    """The packets of all pieces, one a frame, on one clock that counts frames."""
    # A packet is decoded no later than its frame is shown; encoders that want later frames first need a head start,
    # which is as great as the greatest of any piece.
    early = max(number - shown for piece in pieces for number, (shown, _) in enumerate(_shown(piece, fps)))
    start = 0
    for piece in pieces:
        count = 0
        for count, (shown, packet) in enumerate(_shown(piece, fps), 1):
            packet.pts, packet.dts = start + shown, start + count - 1 - early
            packet.time_base, packet.duration = 1 / fps, 1
            yield packet
        start += count


def _shown(piece: Path, fps: Fraction) -> Iterator[tuple[int, Any]]:
    """The packets of a piece in the order of decoding, each with the number of the frame that it holds."""
    with av.open(str(piece)) as container:
        for packet in container.demux(video=0):
            if packet.size:  # the last is empty
                yield round(packet.pts * packet.time_base * fps), packet
