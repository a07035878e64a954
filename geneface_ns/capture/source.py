"""The span of the user's video that becomes the capture: its frames at one rate, and its sound on the same clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audio_motion.errors import InputError
from audio_motion.media import LazyFrame, Tracks, VideoInfo, lazy_frames, probe
from geneface_ns.capture.options import CaptureOptions

SHORTEST = 3.0
"""Seconds of video below which there is too little to learn from: of what is not kept for test, a voice's fitting
keeps a second to look at, and needs more than another."""


@dataclass(frozen=True)
class Source:
    """Where frames come from. Frame i of the capture is what is shown `i / fps` seconds after `start`."""

    config: CaptureOptions
    fps: float
    start: float
    """Seconds from the video's first picture, where frames begin: a whole number of them."""
    end: float
    info: VideoInfo
    turn: int = 0
    """Degrees clockwise by which the pictures are turned."""

    @property
    def path(self) -> Path:
        """The video."""
        return self.config.video

    def frames(self) -> Iterator[LazyFrame]:
        """One a frame of the capture.

        Raises:
            InputError: the video is damaged.
        """
        tracks, deinterlace = self.config.tracks, self.config.deinterlace
        yield from span_frames(self.path, self.fps, self.start, self.end, self.turn, tracks, deinterlace)

    @property
    def count(self) -> int:
        """Estimate of how many frames there are."""
        return max(1, round((min(self.end, self.info.duration) - self.start) * self.fps))


def open_source(config: CaptureOptions) -> Source:
    """Look at the video and choose the frame rate.

    Raises:
        InputError: not a video, no sound track, or a span shorter than `SHORTEST`.
    """
    info = probe(config.video, config.tracks)
    end = info.duration if config.end is None else config.end
    if config.fps is not None and not 5 <= config.fps <= 120:
        raise InputError(
            f"--fps {config.fps:g} is out of range; give 5 to 120, or leave it out to keep the video's own"
        )
    if config.size is not None and not 64 <= config.size <= 4096:
        raise InputError(f"--size {config.size} is out of range; give 64 to 4096 pixels")
    if config.start < 0 or end <= config.start or config.start >= info.duration:
        raise InputError(
            f"{config.video}: nothing lies between --start {config.start:g} and --end {end:g} s; "
            f"it is {info.duration:.2f} s long"
        )
    length = min(end, info.duration) - config.start
    if length < SHORTEST:
        raise InputError(f"{config.video}: only {length:.2f} s to learn from; give at least {SHORTEST:g} s of speech")
    if not info.has_audio:
        raise InputError(f"{config.video}: has no sound track; give a video whose speech can be heard")
    fps = float(config.fps or info.fps)
    return Source(config, fps, round(config.start * fps) / fps, end, info, config.turn)


def span_frames(
    path: Path, fps: float, start: float, end: float, turn: int, tracks: Tracks, deinterlace: bool
) -> Iterator[LazyFrame]:
    """The frames of a span of a video, turned clockwise by `turn` degrees.

    Raises:
        InputError: the video is damaged.
    """
    for time, frame in lazy_frames(path, fps, tracks=tracks, deinterlace=deinterlace, turn=turn):
        # Half a frame of slack: what is asked for need not fall on a frame.
        if time >= end - 0.5 / fps:
            return
        if time >= start - 0.5 / fps:
            yield frame
