"""What rendering can be told, as plain data; `geneface render` is the command on top. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from geneface_ns.output.look import LookOptions

if TYPE_CHECKING:
    from audio_motion.media import Tracks


@dataclass(frozen=True)
class RenderOptions:
    """How a trained head says something."""

    generator: str = "prior"
    """What turns speech into motion. prior: the generator that comes with the package, with a post-net fitted to the
    capture; person: a generator fitted to the capture alone; or a checkpoint (.safetensors) of your own, with a
    post-net fitted to the capture if it is of many speakers. What must be fitted is fitted once and kept in the
    capture's directory."""
    features: str | None = None
    """Where the speech features of a checkpoint of your own are now, as in training (default: where they were then)."""
    camera_path: Path | None = None
    """A camera from elsewhere: a camera path of `geneface camera-path` or the viewer (.json). Or head poses: a path
    whose cameras do not say when they look, or another capture's transforms.json."""
    seed: int = 0
    """Of the generator: another seed, another performance."""
    head_motion: float = 1.0
    """How much head and shoulders move when the person speaks, in pieces of their own video that are chosen by how the
    speech sounds. 0: still; 1: as filmed; at most 1.5. Not with --motion, --camera-path, --paste-back or --replay."""
    temperature: float = 1.0
    """How far seeds differ: 0 is the likeliest motion, 1 a quarter of what the mouth moves."""
    look: Annotated[LookOptions, tyro.conf.arg(name="")] = field(default_factory=LookOptions)
    """What the video shows besides the person, and at which size."""
    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders; auto is CUDA where there is one."""
    renderer: Literal["auto", "reference", "cpu"] = "auto"
    """How it is rendered: cpu is many times faster on a CPU and differs from the reference by less than can be seen;
    auto takes the fastest that fits the device."""
    crf: int = 18
    """Quality of the picture, 0 (lossless) to 51."""
    sound_track: int | None = None
    """Which sound track of the speech's file is the speech, from 1; left out: the one that players play."""
    picture_track: int | None = None
    """Of speech in a file with several picture tracks the one whose first picture is time 0, from 1."""

    @property
    def tracks(self) -> Tracks:
        """Which of the speech's tracks are read."""
        from audio_motion.media import Tracks

        return Tracks(self.picture_track, self.sound_track)

    def content(self) -> dict[str, object]:
        """The options that decide what is shown and heard, as JSON values; of files, only that there is one."""
        options = {field: getattr(self, field) for field in RenderOptions.__dataclass_fields__}
        del options["data"], options["device"], options["features"]
        plain = (str, int, float, bool, type(None))
        return {name: value if isinstance(value, plain) else str(value) for name, value in options.items()}
