"""Who is shown: what a renderer and a source of motion know of a person, wherever they learnt it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.poses import is_rigid

PERSON_FILE = ".gface"
"""Suffix of the file that one person is sent as (`geneface_ns.scene.person_file`)."""
LARGEST = 16384
"""Pixels, width and height: more is no picture but a mistake."""
FASTEST = 1000.0
"""Frames per second."""
LENSES = (0.01, 100.0)
"""Focal lengths, in picture widths or heights; the optical axis is at most as far away as the greatest."""
FARTHEST = 1000.0
"""Face widths: of a camera from the head, and of a corner of the head's box."""
BENT, SCALED = 0.45, (0.5, 2.0)
"""Of the body's affine motion the entries off and on the diagonal, so that whatever lies between two can be undone. A
torso that turns by 25 degrees has 0.42, one that comes nearer by a third 1.5."""


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

    def project(self, points: np.ndarray, c2w: np.ndarray) -> np.ndarray:
        """Where points [..., 3] of the head frame lie in a picture of the video under a pose [4, 4]: [..., 2] px."""
        seen = (points - c2w[:3, 3]) @ c2w[:3, :3]
        return seen[..., :2] / -seen[..., 2:] * (1, -1) * self.focal + self.centre


def is_person_file(path: Path) -> bool:
    """Whether a path names a person file, there or not."""
    return Path(path).suffix.lower() == PERSON_FILE and not Path(path).is_dir()


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
    sides = np.array([person.width, person.height])
    focal, centre = np.array(person.focal), np.array(person.centre)
    for name, bad in zip(("fl_x", "fl_y"), ~((focal >= LENSES[0] * sides) & (focal <= LENSES[1] * sides)), strict=True):
        if bad:
            return f"{name} is {person.focal[name == 'fl_y']:g}"
    if not (np.abs(centre) <= LENSES[1] * sides).all():
        return f"cx, cy are {person.centre}"
    low, high = person.head_box
    if not ((np.abs(person.head_box) <= FARTHEST).all() and (low < high).all()):
        return "head_box holds nothing, or too much"
    linear, moved = person.body[..., :2], person.body[..., 2]
    straight, bent = linear[:, [0, 1], [0, 1]], linear[:, [0, 1], [1, 0]]
    for problem, good in (
        ("transform_matrix is no rotation and place", is_rigid(person.c2w)),
        ("transform_matrix is too far away", (np.abs(person.c2w[:, :3, 3]) <= FARTHEST).all(axis=1)),
        ("body is no motion of a body", ((straight >= SCALED[0]) & (straight <= SCALED[1])).all(axis=1)),
        ("body is no motion of a body", (np.abs(bent) <= BENT).all(axis=1)),
        ("body is too far away", (np.abs(moved) <= LENSES[1] * sides).all(axis=1)),
    ):
        if not good.all():
            return f"frame {int((~good).argmax())}: {problem}"
    return None
