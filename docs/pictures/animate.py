"""The first picture of the README: some seconds of a video, above its sound and how far it is said, as animated WebP.

python docs/pictures/animate.py out/demo.mp4 docs/pictures/demo.webp --start 0.5

The one that is there is of a demo with SIZE 256 and ITERATIONS 7000 (geneface_ns/commands/demo.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image, ImageDraw

from audio_motion.files import written_whole
from audio_motion.media import SAMPLE_RATE, load_audio, probe, read_frames

STRIP = 0.16
"""Height of the waveform, in widths of the picture."""
PAPER, SAID, UNSAID = (255, 255, 255), (0, 110, 90), (200, 205, 210)


@dataclass
class Animation:
    """What to show."""

    video: Annotated[Path, tyro.conf.Positional]
    """A video with sound."""
    output: Annotated[Path, tyro.conf.Positional]
    """The .webp to write."""
    start: float = 0.0
    """Second of the video."""
    seconds: float = 5.0
    width: int = 256
    """Pixels."""
    quality: int = 80
    """Of the WebP, 0 to 100."""


def main(config: Animation) -> None:
    fps = probe(config.video).fps
    sound = load_audio(config.video)[
        round(config.start * SAMPLE_RATE) : round((config.start + config.seconds) * SAMPLE_RATE)
    ]
    first, *others = (
        with_waveform(picture, sound, number / fps / config.seconds)
        for number, picture in enumerate(pictures(config, fps))
    )
    how = {"save_all": True, "append_images": others, "duration": round(1000 / fps), "loop": 0, "method": 6}
    with written_whole(config.output) as temporary:
        first.save(temporary, quality=config.quality, **how)
    size = config.output.stat().st_size / 1e6
    print(f"{config.output}: {1 + len(others)} frames of {first.width} x {first.height}, {size:.2f} MB")


def pictures(config: Animation, fps: float) -> Iterator[Image.Image]:
    for time, rgb in read_frames(config.video, fps):
        if time > config.start + config.seconds - 0.5 / fps:
            return
        if time > config.start - 0.5 / fps:
            height = round(config.width * rgb.shape[0] / rgb.shape[1])
            yield Image.fromarray(rgb).resize((config.width, height), Image.Resampling.LANCZOS)


def with_waveform(picture: Image.Image, sound: np.ndarray, said: float) -> Image.Image:
    """A picture above the loudness of a sound, of which a part is said.

    Args:
        sound: float32 [N].
        said: from 0 to 1.
    """
    width, strip = picture.width, round(STRIP * picture.width)
    whole = Image.new("RGB", (width, picture.height + strip), PAPER)
    whole.paste(picture)
    draw, middle = ImageDraw.Draw(whole), picture.height + strip / 2
    loud = np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(sound, width // 3)])
    for bar, level in enumerate(loud / np.percentile(loud, 95)):
        x, half = 3 * bar, max(1.0, min(level, 1.0) * (strip / 2 - 3))
        draw.rectangle((x, middle - half, x + 1, middle + half), fill=SAID if x < said * width else UNSAID)
    return whole


if __name__ == "__main__":
    main(tyro.cli(Animation))
