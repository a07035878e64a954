"""A capture directory's description, loaded and validated. The format: docs/conventions.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError, one_line
from audio_motion.json_file import read_json
from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.origin import Origin
from geneface_ns.capture_format.person import Person, problem_of

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Capture(Person):
    """One person's processed video on the disk."""

    folder: Path
    lips_box: np.ndarray
    """float32 [F, 4]: x0, y0, x1, y1 in pixels."""
    origin: Origin | None
    """Which part of which video it is; None in a capture of an older release, or of no video."""

    @property
    def layout(self) -> Layout:
        """Where its files lie."""
        return Layout(self.folder)


def load_capture(folder: Path) -> Capture:
    """Read `transforms.json` and `landmarks.npz` of a capture directory.

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

        described = dict(
            name=data["person"],
            fps=float(data["fps"]),
            width=int(data["w"]),
            height=int(data["h"]),
            focal=(float(data["fl_x"]), float(data["fl_y"])),
            centre=(float(data["cx"]), float(data["cy"])),
            head_box=np.array(data["head_box"], np.float32).reshape(2, 3),
            c2w=column("transform_matrix", (4, 4)),
            body=column("body", (2, 3)),
            lips_box=column("lips_box", (4,)),
            origin=Origin.of(data["origin"]) if "origin" in data else None,
            is_train=np.array([frame["split"] == "train" for frame in frames]),
            valid=np.array([bool(frame["valid"]) for frame in frames]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path}: malformed capture ({type(error).__name__}: {one_line(error)}); run `geneface process` again"
        ) from error
    landmarks = LandmarkSequence.load(Layout(folder).landmarks)
    if len(landmarks) != len(frames):
        raise InputError(
            f"{folder}: landmarks.npz has {len(landmarks)} frames, transforms.json {len(frames)}; "
            "run `geneface process` again"
        )
    capture = Capture(folder=folder, landmarks=landmarks, **described)
    good = np.isfinite(capture.lips_box).all(axis=1)
    problem = problem_of(capture) or (None if good.all() else f"frame {int((~good).argmax())}: lips_box is not finite")
    if problem is not None:
        raise InputError(f"{path}: malformed capture ({problem}); run `geneface process` again")
    if not (capture.is_train & capture.valid).any():
        raise InputError(f"{path}: no valid training frame; run `geneface process` on a longer or clearer video")
    return capture
