"""The camera that a browser looks through, as a camera path for `ns-render` and `geneface render`."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geneface_ns.capture_format.person import Person, is_person_file
from geneface_ns.motion.camera_moves import as_filmed, filmed_frames
from geneface_ns.motion.camera_path import CameraPath, field_of_view
from geneface_ns.scene.camera import Pinhole
from geneface_ns.viewer.performance import Performance
from geneface_ns.viewer.picture import Look, seen_through

FILE = "talking-head.json"
"""What the browser calls it."""


class SeenPath(NamedTuple):
    """What `write_path` takes."""

    cameras: CameraPath
    size: tuple[int, int]
    """Of the pictures, width and height, px."""


def seen_path(person: Person, own: Pinhole, performance: Performance, look: Look) -> SeenPath:
    """A look's camera over a performance. As filmed it is what `geneface camera-path` writes without more: of the part
    of the video that was learnt from, or to and fro for as long as somebody else's performance lasts; of speech, for
    which head and body were chosen, it is their course.

    Args:
        own: the capture's camera, at the size it was trained at.

    Raises:
        InputError: a performance longer than a path can be.
    """
    frames = filmed_frames(person, None if performance.filmed else performance.total / performance.fps)
    if performance.chosen is not None:
        frames = performance.chosen
    if look.pose == "as filmed":
        filmed = as_filmed(person, frames, field_of_view(own.focal[1], own.size[1]))
        if performance.chosen is not None:  # between two frames where pieces of the video join
            filmed = replace(filmed, c2w=np.stack([performance.pose_at(i)[0] for i in range(len(frames))]))
        return SeenPath(filmed, own.size)
    still = as_filmed(person, np.full_like(frames, look.held), field_of_view(own.focal[1], own.size[1]))
    if look.view is None:
        return SeenPath(still, own.size)
    c2w = np.array(look.view.c2w, np.float32).reshape(4, 4)
    fov = np.full(len(frames), math.degrees(look.view.fov))
    size = seen_through(look.view, own.size[1]).size
    return SeenPath(CameraPath(np.tile(c2w, (len(frames), 1, 1)), fov, still.times), size)


def use_of_path(run: Path) -> str:
    """Command lines that show what a path shows.

    Args:
        run: the run's folder, or a person file.
    """
    render = f"geneface render {shlex.quote(str(run))} SPEECH talking-head.mp4 --camera-path {FILE}"
    if is_person_file(run):
        return render
    config = shlex.quote(str(run / "config.yml"))
    return f"ns-render camera-path --load-config {config} --camera-path-filename {FILE} (silent), or {render}"
