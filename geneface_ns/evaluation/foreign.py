"""A trained head driven by strangers' speech, against the same head driven by the person's own: what training never
showed must look as good as what it did, and there is no real frame to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from audio_motion.errors import InputError
from audio_motion.progress import shown
from geneface_ns.capture_format.capture import Capture
from geneface_ns.evaluation.artefacts import Artefacts
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.output.drive import render_layers
from geneface_ns.output.finish import as_rendered
from geneface_ns.renderers.contract import Renderer
from geneface_ns.scene.frames import FrameStore

SECONDS = 8.0
"""Of each speech, from its beginning, under the poses of the capture's first frames: the same ones for all."""


def driven(renderer: Renderer, capture: Capture, motion: Iterable[MotionFrame], size: tuple[int, int]) -> Artefacts:
    """The artefacts of a head that moves as filmed while its face does as `motion` says.

    Args:
        motion: from the speech's beginning; what is longer than `SECONDS` is left out.
        size: width and height to render at.

    Raises:
        InputError: there is no frame to see.
    """
    found, scale = Artefacts(), size[0] / capture.width
    for frame, face in shown(zip(_frames(capture), motion, strict=False), len(_frames(capture)), "drive"):
        if not capture.valid[frame]:
            found.gap()
            continue
        pose, camera = capture.c2w[frame], renderer.camera.scaled_to(size)
        layers = render_layers(renderer, pose, capture.body[frame], face, camera)
        head = (layers.opacity[..., 0] * 255 + 0.5).byte().cpu().numpy()
        found.add(as_rendered(layers), head, capture.project(face.landmarks, pose) * scale)
    if not len(found):
        raise InputError("a speech is too short for a single frame; give a longer one")
    return found


def filmed(capture: Capture, size: tuple[int, int]) -> Artefacts:
    """The same measures of the real frames: what a perfect picture has."""
    found, scale = Artefacts(), size[0] / capture.width
    store, landmarks = FrameStore(capture, round(1 / scale)), capture.landmarks.landmarks
    for frame in _frames(capture):
        if not capture.valid[frame]:
            found.gap()
            continue
        stored = store.frame(frame)
        found.add(stored.image, stored.head, capture.project(landmarks[frame], capture.c2w[frame]) * scale)
    return found


def over_own(foreign: Artefacts, own: Artefacts) -> dict[str, float]:
    """Each figure of `Artefacts.summary` as a part of what it is under the person's own speech at the same poses."""
    known = own.summary(len(foreign))
    return {name: value / known[name] if known[name] else float("nan") for name, value in foreign.summary().items()}


def mean_of(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over speeches; nan where one has none."""
    known = list(rows)
    return {name: float(np.mean([row[name] for row in known])) for name in known[0]}


def _frames(capture: Capture) -> range:
    return range(min(len(capture), round(SECONDS * capture.fps)))
