"""A capture directory made from the procedural person's truth: exact poses, landmarks, masks and layers.

    python -m geneface_ns.synthetic.exact_capture CAPTURE --size 512 --frames 150

What `geneface process` estimates from a video is written here as it is, so that a training can be tried, and its
errors told from tracking's, without a video.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from audio_motion.ending import ends_in_one_line
from audio_motion.errors import InputError
from geneface_ns.capture import transforms
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import write_png
from geneface_ns.synthetic.clip import Truth, make_truth, write_sound
from geneface_ns.synthetic.speech import speech_names, speech_track

HEAD_BOX = [[-0.9, -1.0, -0.6], [0.9, 1.1, 0.75]]
"""Lowest and highest corner, head frame: holds any procedural person's head and hair."""


def write_exact_capture(folder: Path, size: int = 64, frames: int = 33, fps: float = 12.5, seed: int = 1) -> Truth:
    """Write a capture in the format of docs/conventions.md, but for the report; `transforms.json` comes last.

    Args:
        folder: empty, or not there yet.
        size: width and height, pixels.
        frames: of which the last 1/11 are the test split; at least 2.
        fps: frames per second.
        seed: who the person is.

    Returns:
        The truth it was made from.

    Raises:
        InputError: there is something in the folder, it cannot be written, or too few frames or pixels are asked for.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; choose another folder")
    if frames < 2 or size < 32:
        raise InputError(f"{frames} frames of {size} px make no capture; ask for at least 2 of 32 px")
    speech = speech_track(speech_names("train"), seed, seconds=frames / fps)
    truth = make_truth(seed, speech, (size, size), fps, frames)
    layout = Layout(folder)
    for path in (layout.image(0), layout.mask(0), layout.torso(0)):
        path.parent.mkdir(parents=True)
    for i in range(frames):
        drawn = truth.frame(i)
        write_png(layout.image(i), drawn.rgb)
        write_png(layout.mask(i), drawn.labels)
        write_png(layout.torso(i), (truth.torso(i) * 255 + 0.5).astype(np.uint8))
    write_png(layout.background, truth.background)
    truth.sequence().save(layout.landmarks)
    write_sound(layout.audio, speech.sound)
    contents = transforms.build(
        person=truth.sequence().person,
        fps=fps,
        size=(size, size),
        camera=(truth.fl, truth.cx, truth.cy),
        c2w=truth.c2w,
        points=truth.points2d,
        body=truth.body,
        valid=np.ones(frames, bool),
        box=HEAD_BOX,
        reference=0,
    )
    transforms.write(layout.transforms, contents)
    return truth


@dataclass
class ExactCapture:
    """Write the procedural person's capture directory, without a video and without tracking."""

    output: Annotated[Path, tyro.conf.Positional]
    """Folder to write; empty, or not there yet."""
    size: int = 512
    """Width and height, pixels."""
    frames: int = 150
    """How many; the last 1/11 are the test split."""
    fps: float = 12.5
    """Frames per second."""
    seed: int = 1
    """Who the person is."""

    def main(self) -> None:
        """Write it and say how large it is."""
        write_exact_capture(self.output, self.size, self.frames, self.fps, self.seed)
        total = sum(path.stat().st_size for path in self.output.rglob("*") if path.is_file())
        print(f"wrote {self.output}: {self.frames} frames of {self.size}x{self.size}, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    with ends_in_one_line():
        tyro.cli(ExactCapture).main()
