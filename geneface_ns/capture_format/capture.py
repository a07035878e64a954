"""A capture directory's description, loaded and validated. The format: docs/conventions.md."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError, one_line
from audio_motion.json_file import read_json
from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.poses import is_rigid

SCHEMA_VERSION = 1
LARGEST = 16384
"""Pixels, width and height: more is no picture but a mistake."""
FASTEST = 1000.0
"""Frames per second."""


@dataclass(frozen=True)
class Capture:
    """One person's processed video: F frames of one size, seen by one pinhole camera."""

    folder: Path
    person: str
    fps: float
    width: int
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
    lips_box: np.ndarray
    """float32 [F, 4]: x0, y0, x1, y1 in pixels."""
    is_train: np.ndarray
    """bool [F]; the others are the test split."""
    valid: np.ndarray
    """bool [F]: False where the face was not seen."""

    def __len__(self) -> int:
        return len(self.c2w)

    @cached_property
    def landmarks(self) -> LandmarkSequence:
        """The tracked landmarks, one row a frame."""
        sequence = LandmarkSequence.load(self.layout.landmarks)
        if len(sequence) != len(self):
            raise InputError(
                f"{self.folder}: landmarks.npz has {len(sequence)} frames, transforms.json {len(self)}; "
                "run `geneface process` again"
            )
        return sequence

    @cached_property
    def mean_landmarks(self) -> np.ndarray:
        """float32 [68, 3]: the person's mean over the valid training frames."""
        return self.landmarks.landmarks[self.is_train & self.valid].mean(axis=0)

    @property
    def layout(self) -> Layout:
        """Where its files lie."""
        return Layout(self.folder)

    @property
    def times(self) -> np.ndarray:
        """float32 [F]: each frame's key, 0 for the first and 1 for the last."""
        return np.linspace(0, 1, len(self), dtype=np.float32)


def load_capture(folder: Path) -> Capture:
    """Read `transforms.json` of a capture directory.

    Raises:
        InputError: not a capture directory, another schema version, or missing, malformed or senseless entries.
    """
    folder = Path(folder)
    path = Layout(folder).transforms
    if not path.is_file():
        raise InputError(f"{folder}: not a capture directory (no transforms.json); make one with `geneface process`")
    data = read_json(path, "run `geneface process` again")
    if (version := data.get("schema_version")) != SCHEMA_VERSION:
        raise InputError(
            f"{path}: capture schema version {version}, this program reads {SCHEMA_VERSION}; "
            "run `geneface process` again"
        )
    try:
        frames = data["frames"]
        if not frames:
            raise InputError(f"{path}: no frames; run `geneface process` again")

        def column(name: str, shape: tuple[int, ...]) -> np.ndarray:
            return np.array([frame[name] for frame in frames], np.float32).reshape(len(frames), *shape)

        capture = Capture(
            folder=folder,
            person=data["person"],
            fps=float(data["fps"]),
            width=int(data["w"]),
            height=int(data["h"]),
            focal=(float(data["fl_x"]), float(data["fl_y"])),
            centre=(float(data["cx"]), float(data["cy"])),
            head_box=np.array(data["head_box"], np.float32).reshape(2, 3),
            c2w=column("transform_matrix", (4, 4)),
            body=column("body", (2, 3)),
            lips_box=column("lips_box", (4,)),
            is_train=np.array([frame["split"] == "train" for frame in frames]),
            valid=np.array([bool(frame["valid"]) for frame in frames]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path}: malformed capture ({type(error).__name__}: {one_line(error)}); run `geneface process` again"
        ) from error
    _check(capture, path)
    return capture


def _check(capture: Capture, path: Path) -> None:
    """Raises InputError unless every value can be meant."""

    def check(good: bool | np.bool_, problem: str) -> None:
        if not good:
            raise InputError(f"{path}: malformed capture ({problem}); run `geneface process` again")

    check(isinstance(capture.person, str), f"person is {capture.person!r}")
    check(0 < capture.fps <= FASTEST, f"fps is {capture.fps:g}")
    for name, size in (("w", capture.width), ("h", capture.height)):
        check(0 < size <= LARGEST, f"{name} is {size}")
    for name, focal in zip(("fl_x", "fl_y"), capture.focal, strict=True):
        check(np.isfinite(focal) and focal > 0, f"{name} is {focal:g}")
    check(np.isfinite(capture.centre).all(), f"cx, cy are {capture.centre}")
    low, high = capture.head_box
    check(np.isfinite(capture.head_box).all() and (low < high).all(), "head_box holds nothing")
    for name, good in (
        ("transform_matrix is no rotation and place", is_rigid(capture.c2w)),
        ("body is not finite", np.isfinite(capture.body).all(axis=(1, 2))),
        ("lips_box is not finite", np.isfinite(capture.lips_box).all(axis=1)),
    ):
        check(good.all(), f"frame {int((~good).argmax())}: {name}")
    if not (capture.is_train & capture.valid).any():
        raise InputError(f"{path}: no valid training frame; run `geneface process` on a longer or clearer video")
