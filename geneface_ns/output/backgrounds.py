"""What stands behind a person instead of what was filmed: a colour, a picture, or a video that loops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path

import cv2
import numpy as np

from audio_motion.errors import InputError, one_line
from audio_motion.files import need_file
from audio_motion.media import probe, read_frames
from geneface_ns.output.finish import cover

GREEN = (0, 177, 64)
"""The green of green screens, which keying tools know."""
_GIVE = "give green, a colour such as #336699, a picture or a video"


def colour_of(background: str) -> tuple[int, int, int] | None:
    """Red, green and blue of `green` or `#rrggbb`; None where a file is meant.

    Raises:
        InputError: a colour that is none.
    """
    if background == "green":
        return GREEN
    if not background.startswith("#"):
        return None
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", background):
        raise InputError(f"--background {background}: not a colour; {_GIVE}")
    red, green, blue = bytes.fromhex(background[1:])
    return red, green, blue


def backgrounds(background: str, size: tuple[int, int], fps: float, first: int = 0) -> Iterator[np.ndarray]:
    """Pictures uint8 [H, W, 3] without an end, one a frame.

    A picture or video is scaled until it covers the frame, and what sticks out is cut off evenly. A video keeps its own
    time: frame i is what it shows at i / fps, and after its last picture comes its first.

    Args:
        background: `green`, `#rrggbb`, or the path of a picture or a video.
        size: width and height of the frames, px.
        fps: frames per second.
        first: number of the frame to begin with.

    Raises:
        InputError: no colour, or a file that cannot be decoded. Of a video that is damaged further on, when it comes.
    """
    colour = colour_of(background)
    if colour is not None:
        return repeat(np.full((size[1], size[0], 3), colour, np.uint8))
    path = Path(background)
    need_file(path, _GIVE)
    picture = still_picture(path)
    if picture is not None:
        return repeat(cover(picture, size))
    try:
        probe(path)
    except InputError as error:
        raise InputError(f"--background {path}: neither a picture nor a video that can be decoded; {_GIVE}") from error
    return (cover(rgb, size) for rgb in islice(_looped(path, fps), first, None))


def still_picture(path: Path) -> np.ndarray | None:
    """A picture's pixels, uint8 [h, w, 3]; None where the file is none.

    Raises:
        InputError: it cannot be decoded.
    """
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"--background {path}: cannot be decoded ({one_line(error)}); {_GIVE}") from error
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _looped(path: Path, fps: float) -> Iterator[np.ndarray]:
    while True:
        yield from (rgb for _, rgb in read_frames(path, fps))
