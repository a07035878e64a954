"""The span of the user's video that becomes the capture: its frames at one rate, and its sound on the same clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.video import VideoInfo, probe, read_frames
from geneface_ns.capture.options import CaptureOptions

SHORTEST = 2.0
"""Seconds of video below which there is nothing to learn from."""


@dataclass(frozen=True)
class Source:
    """Where frames come from. Frame i of the capture is at `i / fps` seconds after `start`."""

    path: Path
    fps: float
    resampled: bool
    """Whether frames are picked by timestamp (another rate asked for, or uneven in the file)."""
    start: float
    end: float
    info: VideoInfo

    def frames(self) -> Iterator[np.ndarray]:
        """uint8 RGB [H, W, 3], one a frame of the capture.

        Raises:
            InputError: the video is corrupt or truncated.
        """
        first = None
        for time, rgb in read_frames(self.path, self.fps if self.resampled else None):
            first = time if first is None else first
            # Half a frame of slack: timestamps are rounded by the container.
            if time - first >= self.end - 0.5 / self.fps:
                return
            if time - first >= self.start - 0.5 / self.fps:
                yield rgb

    @property
    def count(self) -> int:
        """Estimate of how many frames there are."""
        return max(1, round((min(self.end, self.info.duration) - self.start) * self.fps))


def open_source(config: CaptureOptions) -> Source:
    """Look at the video and choose the frame rate.

    Raises:
        InputError: not a video, no sound track, or a span shorter than two seconds.
    """
    info = probe(config.video)
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
    resampled = info.variable_rate or config.fps is not None
    return Source(config.video, float(config.fps or info.fps), resampled, config.start, end, info)
