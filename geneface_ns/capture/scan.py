"""The first look at the whole video: is there one face, in one shot, large enough, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audio_motion.errors import InputError
from geneface_ns.capture.cuts import CutDetector
from geneface_ns.capture.source import SHORTEST, Source

LOOKS_PER_SECOND = 2.0
SMALLEST_FACE = 60
"""Pixels of face width in the source below which lips cannot be read."""
BOX_PER_FACE = 1.15
"""Width of mediapipe's face box over the face's width between the jaw's ends."""
MISSING_ALLOWED = 0.25
"""Part of the looks that may show no face."""
SIMILAR = 0.6
"""A second face of at least this part of the first's width makes it unclear who speaks."""


@dataclass(frozen=True)
class Scan:
    """What the first look found."""

    frames: int
    """Exact number of frames of the capture."""
    boxes: np.ndarray
    """[N, 4] the person's face boxes x0, y0, x1, y1 over the looks that showed one; source pixels."""
    size: tuple[int, int]
    """Width and height of the source."""


def scan(source: Source, advance: Callable[[], None]) -> Scan:
    """Look for faces twice a second and for cuts at every frame.

    Raises:
        InputError: no face, several, too small; a cut; too short; corrupt or truncated.
    """
    find, cut = face_finder(), CutDetector()
    every = max(1, round(source.fps / LOOKS_PER_SECOND))
    looks: list[tuple[int, np.ndarray]] = []
    count, size = 0, (0, 0)
    for rgb in source.frames():
        if cut(rgb):
            raise InputError(_cut_message(source, count))
        if count % every == 0:
            looks.append((count, find(rgb)))
        count, size = count + 1, (rgb.shape[1], rgb.shape[0])
        advance()
    if count < SHORTEST * source.fps - 1:
        raise InputError(
            f"{source.path}: only {count} frames ({count / source.fps:.2f} s) to learn from; "
            f"give at least {SHORTEST:g} s of speech"
        )
    return Scan(count, check_faces(source, looks), size)


def check_faces(source: Source, looks: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """The one person's boxes [N, 4] out of all looks (frame, boxes [K, 4], the widest first).

    Raises:
        InputError: no face, several of similar size, too small, or gone for long.
    """
    where = source.path
    seen = [boxes for _, boxes in looks if len(boxes)]
    if not seen:
        raise InputError(f"{where}: no face found; give a video of one person who faces the camera")
    widths = [boxes[:, 2] - boxes[:, 0] for boxes in seen]
    crowded = [f for f, b in looks if len(b) > 1 and (b[1, 2] - b[1, 0]) >= SIMILAR * (b[0, 2] - b[0, 0])]
    if len(crowded) > 0.2 * len(looks):
        raise InputError(
            f"{where}: several faces of similar size, first at {_second(source, crowded[0]):.2f} s; "
            "give a video of one person, or crop it to one"
        )
    width = float(np.median([w[0] for w in widths])) / BOX_PER_FACE
    if width < SMALLEST_FACE:
        raise InputError(
            f"{where}: the face is only {width:.0f} px wide; give a video where it is at least {SMALLEST_FACE} px"
        )
    missing = [frame for frame, boxes in looks if not len(boxes)]
    if len(missing) > MISSING_ALLOWED * len(looks):
        raise InputError(
            f"{where}: no face in {len(missing) / len(looks):.0%} of the video, first at "
            f"{_second(source, missing[0]):.2f} s; choose a span that shows it with --start and --end"
        )
    return np.stack([boxes[0] for boxes in seen])


def face_finder() -> Callable[[np.ndarray], np.ndarray]:
    """A function from uint8 RGB [H, W, 3] to face boxes [K, 4] x0, y0, x1, y1 px, the widest first."""
    import mediapipe as mp

    module = mp.solutions.face_detection
    # Model 1 finds small faces in wide pictures, model 0 faces that fill the picture.
    far, near = (module.FaceDetection(model_selection=m, min_detection_confidence=0.6) for m in (1, 0))

    def find(rgb: np.ndarray) -> np.ndarray:
        rgb = np.ascontiguousarray(rgb)
        found = far.process(rgb).detections or near.process(rgb).detections or []
        boxes = [d.location_data.relative_bounding_box for d in found]
        array = np.array([[b.xmin, b.ymin, b.xmin + b.width, b.ymin + b.height] for b in boxes]).reshape(-1, 4)
        array *= np.array([rgb.shape[1], rgb.shape[0]] * 2)
        return array[np.argsort(array[:, 0] - array[:, 2])]

    return find


def _second(source: Source, frame: int) -> float:
    return source.start + frame / source.fps


def _cut_message(source: Source, frame: int) -> str:
    second = _second(source, frame)
    return (
        f"{source.path}: a cut at {second:.2f} s; one shot is needed: "
        f"keep what lies before it with --end {second:.2f} or after it with --start {second:.2f}"
    )
