"""Back into the video that the person was cut out of: feathered edge, matched colour, the original's pose and body."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.media import Tracks, probe
from geneface_ns.capture.crop import Crop
from geneface_ns.capture.source import span_frames
from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.origin import Origin
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.motion.trajectory import Trajectory
from geneface_ns.output.blending import blend, smooth_edge
from geneface_ns.output.finish import Finish, as_rendered
from geneface_ns.output.to_and_fro import to_and_fro
from geneface_ns.renderers.contract import Layers

FEATHER = 0.1
"""Width of the feathered edge, in sides of the crop."""
LOOKED_AT = (0, 20, 50)
"""Frames by which a video is recognised."""
ALIKE = 6.0
"""Mean difference, of 255, within which two pictures are of one video, though encoded again."""
SAME_LENGTH = 0.1
"""Seconds."""


def origin_of(capture: Capture) -> Origin:
    """Which part of which video the capture is.

    Raises:
        InputError: it does not say.
    """
    if capture.origin is None:
        raise InputError(
            f"{capture.folder}: does not say where in which video it lies, as older captures do not; run "
            "`geneface process` again"
        )
    return capture.origin


def check_original(video: Path, capture: Capture) -> None:
    """Refuse a video that is not the one a capture was made from: by its size, its length and a few pictures.

    Raises:
        InputError: it is another, cannot be decoded, or the capture does not say which it was.
    """
    origin = origin_of(capture)
    info = probe(video, Tracks(picture=origin.picture_track))
    size = (info.height, info.width) if origin.turn in (90, 270) else (info.width, info.height)
    wrong = None
    if size != (origin.width, origin.height):
        wrong = f"{size[0]} x {size[1]} pixels, not {origin.width} x {origin.height}"
    elif abs(info.duration - origin.seconds) > SAME_LENGTH:
        wrong = f"{info.duration:.2f} s long, not {origin.seconds:.2f}"
    else:
        crop = Crop(*origin.crop, capture.width, capture.height)
        frames = [frame for frame in LOOKED_AT if frame < len(capture)]
        for index, rgb in enumerate(islice(original_frames(video, capture), frames[-1] + 1)):
            if index in frames:
                known = read_png(capture.layout.image(index)).astype(np.float32)
                apart = float(np.abs(crop.apply(rgb) - known).mean())
                if apart > ALIKE:
                    wrong = f"frame {index} differs by {apart:.0f} of 255"
                    break
    if wrong:
        raise InputError(f"{video}: not the video that {capture.folder} was made from ({wrong}); give {origin.video}")


def original_frames(video: Path, capture: Capture) -> Iterator[np.ndarray]:
    """The whole pictures that a capture's frames were cut out of, uint8 RGB [H, W, 3], in order.

    Raises:
        InputError: the video is damaged, or ends too early.
    """
    origin, left = origin_of(capture), len(capture)
    end = origin.start + left / capture.fps
    tracks = Tracks(picture=origin.picture_track)
    for frame in span_frames(video, capture.fps, origin.start, end, origin.turn, tracks, origin.deinterlace):
        if left:
            left -= 1
            yield frame.rgb
    if left:
        raise InputError(f"{video}: ends {left} frames before {capture.folder} does; give {origin.video}")


def filmed_trajectory(capture: Capture) -> Trajectory:
    """Head and body exactly as tracked in every frame: unsmoothed, for the original's pixels lie around them."""
    return Trajectory(capture.c2w.astype(np.float64), capture.body.astype(np.float64), capture.fps)


def pasted(video: Path, capture: Capture, folder: Path, first: int = 0) -> Finish:
    """Puts each rendered picture back where the capture's frames were cut out; the rest is the original's, bit for bit.

    Args:
        video: the original (see `check_original`).
        folder: see `to_and_fro`.
        first: number of the first frame that will be finished.
    """
    frames = to_and_fro(lambda: original_frames(video, capture), len(capture), folder, first)
    origin = origin_of(capture)
    x, y, width, height = origin.crop
    weight = feather((width, height), touching(origin))

    def finish(layers: Layers) -> np.ndarray:
        whole = next(frames).copy()
        real = whole[y : y + height, x : x + width]
        rendered = as_rendered(layers)
        scaled = Crop(0, 0, rendered.shape[1], rendered.shape[0], width, height).apply(rendered)
        whole[y : y + height, x : x + width] = blend(scaled, real, weight)
        return whole

    return finish


def touching(origin: Origin) -> tuple[bool, bool, bool, bool]:
    """Which sides of the crop (left, top, right, bottom) lie on the picture's own edge, with nothing to blend with."""
    x, y, width, height = origin.crop
    return x == 0, y == 0, x + width == origin.width, y + height == origin.height


def feather(size: tuple[int, int], open_sides: tuple[bool, bool, bool, bool]) -> np.ndarray:
    """How much of each pixel is the rendered one: float32 [H, W, 1], 0 along the edge and 1 inside, smoothly between.

    Args:
        size: width and height, px.
        open_sides: left, top, right, bottom: sides without a feather.
    """
    width, height = size
    band = FEATHER * max(size)
    left, top, right, bottom = open_sides

    def ramp(count: int, low: bool, high: bool) -> np.ndarray:
        place = np.arange(count, dtype=np.float32)
        far = np.full(count, band, np.float32)
        return np.minimum(far if low else place, far if high else count - 1 - place)

    return smooth_edge(np.minimum(ramp(width, left, right)[None, :], ramp(height, top, bottom)[:, None]), band)
