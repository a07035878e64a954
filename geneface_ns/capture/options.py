"""What making a capture can be told, as plain data; `geneface process` is the command on top."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from audio_motion.media import Tracks


@dataclass(frozen=True)
class CaptureOptions:
    """Turn a talking video into a capture directory that `ns-train geneface` learns from."""

    video: Annotated[Path, tyro.conf.Positional]
    """A video of one person who speaks into the camera (mp4, mov, mkv, webm, …)."""
    output: Annotated[Path, tyro.conf.Positional]
    """The capture directory to write."""
    size: int | None = None
    """Pixels of the longer side of the result; left out: that of the crop, at most 512."""
    fps: float | None = None
    """Frames per second of the result; left out: the video's own."""
    person: str | None = None
    """Name of the person; left out: the video's file name."""
    detector: Literal["mediapipe", "face-alignment"] = "mediapipe"
    """What finds the landmarks."""
    start: float = 0.0
    """Second of the video to begin at."""
    end: float | None = None
    """Second of the video to stop at; left out: its end."""
    turn: Literal[0, 90, 180, 270] = 0
    """Degrees clockwise by which to turn the pictures first, of a video that lies on its side or upside down."""
    deinterlace: bool = False
    """Whether to deinterlace pictures that the file does not call interlaced too; those that it does always are."""
    sound_delay: float = 0.0
    """Seconds by which the sound comes after the picture in the video (negative: before it); it is moved to match."""
    sound_track: int | None = None
    """Which of the video's sound tracks is the speech, from 1; left out: the one that players play."""
    picture_track: int | None = None
    """Which of the video's picture tracks shows the person, from 1; left out: the one that players show."""
    align: bool = True
    """Whether to refine the head's poses on the picture after the landmarks; costs time, brings sharper heads."""
    overwrite: bool = False
    """Whether to replace a capture of another video or other options in the same place."""

    @property
    def tracks(self) -> Tracks:
        """Which of the video's tracks are read."""
        from audio_motion.media import Tracks

        return Tracks(self.picture_track, self.sound_track)

    def content(self) -> dict[str, object]:
        """The options that decide what is written, as JSON values (not where, nor whether to overwrite)."""
        options = asdict(self)
        for name in ("video", "output", "overwrite"):
            options.pop(name)
        return options
