"""Who is shown: what a renderer and a source of motion know of a person, wherever they learnt it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.poses import is_rigid

LARGEST = 16384
"""Pixels, width and height: more is no picture but a mistake."""
FASTEST = 1000.0
"""Frames per second."""


@dataclass(frozen=True)
class Person:
    """A person as tracked over the F frames of one video, seen by one pinhole camera."""

    name: str
    fps: float
    width: int
    """Of the video's pictures, px: the units of `body`, `focal` and `centre`."""
    height: int
    focal: tuple[float, float]
    """fl_x, fl_y in pixels."""
    centre: tuple[float, float]
    """cx, cy in pixels."""
    head_box: np.ndarray
    """float32 [2, 3]: lowest and highest corner in the head frame."""
    c2w: np.ndarray
    """float32 [F, 4, 4]: camera to head frame."""
    body: np.ndarray
    """float32 [F, 2, 3]: the torso's affine motion since the reference frame, pixels."""
    is_train: np.ndarray
    """bool [F]; the others are the test split."""
    valid: np.ndarray
    """bool [F]: False where the face was not seen."""
    landmarks: LandmarkSequence
    """One row a frame."""

    def __len__(self) -> int:
        return len(self.c2w)

    @cached_property
    def mean_landmarks(self) -> np.ndarray:
        """float32 [68, 3]: the mean over the valid training frames."""
        return self.landmarks.landmarks[self.is_train & self.valid].mean(axis=0)

    @property
    def times(self) -> np.ndarray:
        """float32 [F]: each frame's key, 0 for the first and 1 for the last."""
        return np.linspace(0, 1, len(self), dtype=np.float32)


def problem_of(person: Person) -> str | None:
    """What cannot be meant in a person that came from a file; None if everything can. The landmarks check themselves
    when they are read."""
    if not isinstance(person.name, str):
        return f"person is {person.name!r}"
    if not 0 < person.fps <= FASTEST:
        return f"fps is {person.fps:g}"
    for name, size in (("w", person.width), ("h", person.height)):
        if not 0 < size <= LARGEST:
            return f"{name} is {size}"
    for name, focal in zip(("fl_x", "fl_y"), person.focal, strict=True):
        if not (np.isfinite(focal) and focal > 0):
            return f"{name} is {focal:g}"
    if not np.isfinite(person.centre).all():
        return f"cx, cy are {person.centre}"
    low, high = person.head_box
    if not (np.isfinite(person.head_box).all() and (low < high).all()):
        return "head_box holds nothing"
    for problem, good in (
        ("transform_matrix is no rotation and place", is_rigid(person.c2w)),
        ("body is not finite", np.isfinite(person.body).all(axis=(1, 2))),
    ):
        if not good.all():
            return f"frame {int((~good).argmax())}: {problem}"
    return None
