"""What talking can be told, as plain data; `geneface talk` is the command on top. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class TalkOptions:
    """Let the person of a video say something else: everything from a video to a video."""

    video: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="VIDEO")]
    """One person who speaks into the camera, one shot, one to three minutes. Or a person file (.gface), which is only
    rendered."""
    speech: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SPEECH")]
    """What to say: any audio or video file. It becomes the result's sound as it is."""
    output: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")] = None
    """The video to write: .mp4, .mov, .mkv or .webm. Default: VIDEO-SPEECH.mp4 in the current folder."""
    work: Path | None = None
    """Folder for the capture and the trained head. Default: VIDEO.talk beside the output."""
    method: Literal["geneface", "geneface-splat"] | None = None
    """What the head is trained by; geneface-splat makes it of Gaussians, on the CPU alone (docs/training.md). Default:
    as the last time for that video, and geneface the first time. The other one's head stays."""
    minutes: float | None = None
    """How long to train. Default: by the size of the pictures, 4 minutes at 128 pixels, 12 at 256, 37 at 512; of
    geneface-splat 2, 3 and 5."""
    iterations: int | None = None
    """Steps of the training, instead of --minutes."""
    size: int | None = None
    """Pixels of the result's longer side. Default: what the minutes suffice for; without --minutes that of the crop, at
    most 512."""
    generator: str = "prior"
    """What turns speech into motion, as `geneface render --generator`."""
    seed: int = 0
    """Of the generator: another seed, another performance."""
    temperature: float = 1.0
    """How far seeds differ: 0 is the likeliest motion, 1 a quarter of what the mouth moves."""
    replay: bool = False
    """Whether to show the video's own frames and to draw mouth and jaw alone, as `geneface render --replay`."""

    @property
    def result(self) -> Path:
        """The video to write."""
        return self.output or Path(f"{self.video.stem}-{self.speech.stem}.mp4")

    @property
    def folder(self) -> Path:
        """Where the capture and the trained head are kept."""
        return self.work or self.result.parent / f"{self.video.stem}.talk"
