"""The first look at the whole video: is there one face, upright, in one shot, large enough, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audio_motion.errors import InputError
from audio_motion.media import LazyFrame
from geneface_ns.capture.combs import combed
from geneface_ns.capture.cuts import ENOUGH_FOR_CUTS, CutDetector
from geneface_ns.capture.faces import Faces, face_finder
from geneface_ns.capture.source import SHORTEST, Source
from geneface_ns.capture.spans import Run, advised, runs, second, shots

LOOKS_PER_SECOND = 2.0
SMALLEST_FACE = 60
"""Pixels of face width in the source below which lips cannot be read."""
BOX_PER_FACE = 1.15
"""Width of mediapipe's face box over the face's width between the jaw's ends."""
MISSING_ALLOWED = 0.25
"""Part of the looks that may show no face."""
SIMILAR = 0.6
"""A second face of at least this part of the first's width makes it unclear who speaks."""
COMBED = 0.1
"""Part of what moves that is combs where a video is interlaced."""


@dataclass(frozen=True)
class Look:
    """A frame that was looked at."""

    frame: int
    faces: Faces
    combed: float | None = None
    """See `geneface_ns.capture.combs.combed`."""


@dataclass(frozen=True)
class Scan:
    """What the first look found."""

    frames: int
    """Exact number of frames of the capture."""
    boxes: np.ndarray
    """[N, 4] the person's face boxes x0, y0, x1, y1 over the looks that showed one; source pixels."""
    size: tuple[int, int]
    """Width and height of the source."""
    combed: int | None
    """The first frame with the combs of interlacing; None where the video is not interlaced."""


def scan(source: Source, advance: Callable[[], None]) -> Scan:
    """Look for faces twice a second and for cuts at every frame.

    Raises:
        InputError: no face, several, too small, or not upright; a cut; too short; corrupt or truncated.
    """
    find, cut = face_finder(), CutDetector()
    every = max(1, round(source.fps / LOOKS_PER_SECOND))
    looks: list[Look] = []
    cuts: list[int] = []
    before: LazyFrame | None = None
    count, size = 0, (0, 0)
    for frame in source.frames():
        if cut(frame.shrunk(ENOUGH_FOR_CUTS)):
            cuts.append(count)
        if count % every == 0:
            faces = find(frame.rgb)
            teeth = combed(before.rgb, frame.rgb, faces.boxes[0]) if before is not None and faces.upright else None
            looks.append(Look(count, faces, teeth))
        before = frame if (count + 1) % every == 0 else None
        count, size = count + 1, frame.size
        advance()
    if count < SHORTEST * source.fps - 1:
        raise InputError(
            f"{source.path}: only {count} frames ({count / source.fps:.2f} s) to learn from; "
            f"give at least {SHORTEST:g} s of speech"
        )
    check_upright(source, looks)
    if cuts:
        raise InputError(
            f"{source.path}: {len(cuts)} cut{'s' * (len(cuts) > 1)}, the first at {second(source, cuts[0]):.2f} s; one "
            f"shot is needed: " + advised(source, shots_with_a_face(cuts, looks, count), count, "one shot")
        )
    return Scan(count, check_faces(source, looks, count), size, first_combed(looks))


def check_upright(source: Source, looks: list[Look]) -> None:
    """Raises InputError where the face mostly lies on its side or upside down."""
    turns = [look.faces.turn for look in looks if len(look.faces.boxes)]
    turned = [turn for turn in turns if turn]
    if len(turned) > 0.5 * len(turns):
        turn = max(set(turned), key=turned.count)
        first = next(look.frame for look in looks if look.faces.turn == turn)
        how = "upside down" if turn == 180 else "on its side"
        raise InputError(
            f"{source.path}: the face lies {how} at {second(source, first):.2f} s; turn the picture upright with "
            f"--turn {(turn + source.turn) % 360}"
        )


def check_faces(source: Source, looks: list[Look], count: int) -> np.ndarray:
    """The one person's boxes [N, 4] out of all looks.

    Raises:
        InputError: no face, several of similar size, too small, or gone for long.
    """
    where = source.path
    seen = [look.faces.boxes for look in looks if look.faces.upright]
    if not seen:
        raise InputError(f"{where}: no face found; give a video of one person who faces the camera")
    widths = [boxes[:, 2] - boxes[:, 0] for boxes in seen]
    crowded = [look.frame for look in looks if _crowded(look.faces.boxes)]
    if len(crowded) > 0.2 * len(looks):
        raise InputError(
            f"{where}: several faces of similar size, first at {second(source, crowded[0]):.2f} s; "
            "give a video of one person, or crop it to one"
        )
    width = float(np.median([w[0] for w in widths])) / BOX_PER_FACE
    if width < SMALLEST_FACE:
        raise InputError(
            f"{where}: the face is only {width:.0f} px wide; give a video where it is at least {SMALLEST_FACE} px"
        )
    missing = [look.frame for look in looks if not look.faces.upright]
    if len(missing) > MISSING_ALLOWED * len(looks):
        raise InputError(
            f"{where}: no face in {len(missing) / len(looks):.0%} of the video, first at "
            f"{second(source, missing[0]):.2f} s; " + advised(source, with_a_face(looks), count, "a face")
        )
    return np.stack([boxes[0] for boxes in seen])


def with_a_face(looks: list[Look]) -> list[Run]:
    """Runs of frames from a look that shows a face to the last in a row that does."""
    frames = [look.frame for look in looks]
    return [(frames[a], frames[b - 1]) for a, b in runs(np.array([look.faces.upright for look in looks]))]


def shots_with_a_face(cuts: list[int], looks: list[Look], count: int) -> list[Run]:
    """The shots that would pass `check_faces`; all where none would."""

    def shows(shot: Run) -> bool:
        inside = [look.faces.upright for look in looks if shot[0] <= look.frame < shot[1]]
        return sum(inside) >= (1 - MISSING_ALLOWED) * max(1, len(inside))

    every = shots(cuts, count)
    return [shot for shot in every if shows(shot)] or every


def first_combed(looks: list[Look]) -> int | None:
    """The first frame with combs, where a good part of the looks that tell anything has them."""
    telling = [look for look in looks if look.combed is not None]
    found = [look.frame for look in telling if look.combed is not None and look.combed > COMBED]
    return found[0] if len(found) > 0.2 * len(telling) else None


def _crowded(boxes: np.ndarray) -> bool:
    return len(boxes) > 1 and bool(boxes[1, 2] - boxes[1, 0] >= SIMILAR * (boxes[0, 2] - boxes[0, 0]))
