"""`transforms.json`: nerfstudio's own format plus ours (docs/conventions.md). Written last."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from audio_motion.files import written_whole
from geneface_ns.capture.boxes import face_box, lips_box
from geneface_ns.capture_format.capture import SCHEMA_VERSION
from geneface_ns.capture_format.origin import Origin

TEST_SHARE = 1 / 11
"""The last part of the frames that show the face, kept from training."""


def split_at(valid: np.ndarray) -> int:
    """The first frame of the test split, so that the share of the valid frames, bool [T], lies in it."""
    usable = np.flatnonzero(valid)
    return int(usable[-max(1, round(len(usable) * TEST_SHARE))]) if len(usable) else len(valid) - 1


def build(
    person: str,
    fps: float,
    size: tuple[int, int],
    camera: tuple[float, float, float],
    c2w: np.ndarray,
    points: np.ndarray,
    body: np.ndarray,
    valid: np.ndarray,
    box: list[list[float]],
    reference: int,
    origin: Origin | None = None,
) -> dict:
    """The contents.

    Args:
        size: width, height px.
        camera: focal length, cx, cy px.
        c2w: [T, 4, 4].
        points: [T, 68, 2] landmarks px.
        body: [T, 2, 3].
        valid: bool [T].
        box: the head box.
        reference: frame whose torso is the canonical one.
        origin: the part of a video that it was made from; None if of none.
    """
    count = len(c2w)
    test = split_at(valid)
    frames = []
    for i in range(count):
        frames.append(
            {
                "file_path": f"images/{i:05d}.png",
                "transform_matrix": [[float(v) for v in row] for row in c2w[i]],
                "time": i / fps,
                "split": "train" if i < test else "test",
                "face_box": face_box(points[i], size),
                "lips_box": lips_box(points[i], size),
                "body": [[round(float(v), 6) for v in row] for row in body[i]],
                "valid": bool(valid[i]),
            }
        )
    names = [frame["file_path"] for frame in frames]
    source = {} if origin is None else {"origin": origin.contents()}
    return {
        "schema_version": SCHEMA_VERSION,
        "person": person,
        "fps": fps,
        "camera_model": "OPENCV",
        "w": size[0],
        "h": size[1],
        "fl_x": camera[0],
        "fl_y": camera[0],
        "cx": camera[1],
        "cy": camera[2],
        "head_box": box,
        "body_reference": reference,
        **source,
        "train_filenames": names[:test],
        "val_filenames": names[test:],
        "test_filenames": names[test:],
        "frames": frames,
    }


def write(path: Path, contents: dict) -> None:
    """Write it, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(contents))
