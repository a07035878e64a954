"""Frames that show the person and yet are no use to learn from: faded, held, or just after a jump.

They are told from small grey pictures of all frames and from the landmarks. What is found counts as a frame without a
face: nothing is learnt from it, and advice says where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from geneface_ns.capture.spans import runs

FADED = 0.7
"""Part of the clip's usual brightness and contrast below which a frame is in a fade to black."""
WASHED_OUT = 0.5
"""Part of the usual contrast below which a frame is in a fade to any colour, or a card."""
STILL = 4.0
"""Grey levels of a small picture that no pixel of a repeated picture changes by: it may be encoded anew. On 128 clips
of real people nobody was as still for HELD seconds."""
HELD = 0.3
"""Seconds of the same picture that nobody's face holds: a stutter of the recording, or an editor's still."""
COPIES = 0.1
"""Part of the frames that may repeat the one before: more is a video of fewer frames a second."""
JUMP = 0.06
"""Face widths that a face moves by in a jump, at least; `audio_motion.tracking.head_motion.JUMP` is another shot."""
SUDDEN = 3.0
"""How much faster than in the frames beside it the face moves in a jump."""
WHOLE = 2.5
"""How much more than in the frames beside it the whole picture changes in a jump."""
BESIDE = 2
"""Frames on either side that a jump is compared with."""


@dataclass(frozen=True)
class Look:
    """What is kept of every small picture, [T] each."""

    brightness: np.ndarray
    """Mean grey level."""
    contrast: np.ndarray
    """Standard deviation over the picture, grey levels."""
    largest: np.ndarray
    """The most by which a pixel differs from the frame before, grey levels; infinite in the first."""
    change: np.ndarray
    """The mean of that over the picture; 0 in the first."""


@dataclass(frozen=True)
class Defects:
    """What was found, bool [T] each."""

    unseen: np.ndarray
    """Shows no face."""
    faded: np.ndarray
    held: np.ndarray
    jumped: np.ndarray
    """The first frame after a jump."""
    copied: np.ndarray
    """Repeats the frame before, alone or held."""

    @property
    def useless(self) -> np.ndarray:
        """Frames that show a face, or seem to, and are to be learnt nothing from."""
        return self.faded | self.held | self.jumped


def look_at(film: Iterable[np.ndarray]) -> Look:
    """Of small grey pictures, uint8 [h, w], of all frames."""
    rows: list[tuple[float, float, float, float]] = []
    before: np.ndarray | None = None
    for grey in film:
        now = grey.astype(np.float32)
        away = np.abs(now - before) if before is not None else None
        largest, change = (float(away.max()), float(away.mean())) if away is not None else (np.inf, 0.0)
        rows.append((float(now.mean()), float(now.std()), largest, change))
        before = now
    return Look(*np.array(rows).T)


def find_defects(look: Look, points: np.ndarray, seen: np.ndarray, fps: float) -> Defects:
    """Args:
    points: [T, 68, 2] landmarks, pixels; anything where no face was seen.
    seen: bool [T].
    """
    copied = look.largest <= STILL
    held = np.zeros(len(seen), bool)
    for first, stop in runs(copied):
        if (stop - first + 1) / fps >= HELD:
            held[first:stop] = True  # the first of equal pictures is as good as any
    return Defects(~seen, _faded(look, seen), held, _jumped(look, points, seen, copied), copied)


def _faded(look: Look, seen: np.ndarray) -> np.ndarray:
    usual = seen if seen.any() else np.ones(len(seen), bool)
    brightness = look.brightness / max(1.0, float(np.median(look.brightness[usual])))
    contrast = look.contrast / max(1.0, float(np.median(look.contrast[usual])))
    return ((brightness < FADED) & (contrast < FADED)) | (contrast < WASHED_OUT)


def _jumped(look: Look, points: np.ndarray, seen: np.ndarray, copied: np.ndarray) -> np.ndarray:
    """A head speeds up and slows down over some frames, and the rest of the picture does not move with it."""
    width = float(np.median(np.linalg.norm(points[seen, 16] - points[seen, 0], axis=-1))) if seen.any() else 1.0
    moved = np.zeros(len(seen))
    moved[1:] = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(axis=-1) / max(1.0, width)
    moved[1:][~(seen[1:] & seen[:-1])] = 0.0
    jumped = np.zeros(len(seen), bool)
    for frame in np.flatnonzero(moved > JUMP):
        beside = np.r_[max(1, frame - BESIDE) : frame, frame + 1 : min(len(seen), frame + 1 + BESIDE)]
        # A copied frame before it: the head went on meanwhile, and catches up.
        calm = moved[frame] > SUDDEN * moved[beside].max(initial=0.0)
        whole = look.change[frame] > WHOLE * look.change[beside].max(initial=0.0)
        jumped[frame] = calm and whole and not copied[frame - 1]
    return jumped


def summary(found: Defects, fps: float) -> dict:
    """What the report needs of it, as JSON values: runs of frames, and the rate of the pictures that are no copies."""
    copies = found.copied & ~found.held
    kept = ~found.held
    share = float(copies[kept].mean()) if kept.any() else 0.0
    return {
        "unseen": runs(found.unseen & ~found.faded),
        "faded": runs(found.faded),
        "held": runs(found.held),
        "jumped": runs(found.jumped),
        "real_fps": round(fps * (1 - share), 2),
    }
