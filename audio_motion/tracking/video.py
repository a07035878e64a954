"""From a video file straight to a landmark sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.media import AS_PLAYED, Tracks, probe, read_frames
from audio_motion.sequence import LandmarkSequence
from audio_motion.tracking.bundle import fit_track
from audio_motion.tracking.detectors import DetectorName, Face, FaceChooser, make_detector

BLOCK = 256
"""Frames whose meshes are stored together."""


def collect_meshes(
    frames: Iterable[tuple[float, np.ndarray]], detector: Callable[[np.ndarray], list[Face]], source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Run a detector over a clip and keep the person's points.

    Args:
        frames: (time in seconds, uint8 RGB [H, W, 3]), in order.
        source: the clip's name for messages.

    Returns:
        meshes float32 [T, M, 3] (zero where unseen) and valid bool [T].

    Raises:
        InputError: no frames, no face at all, or two faces of similar size.
    """
    choose = FaceChooser(source)
    valid: list[bool] = []
    blocks: list[np.ndarray] = []  # many frames each: small arrays kept between pictures would tear holes in the heap
    for time, rgb in frames:
        face = choose(detector(rgb), time)
        place = len(valid)
        valid.append(face is not None)
        if face is not None:
            while len(blocks) * BLOCK <= place:
                blocks.append(np.zeros((BLOCK, *face.mesh.shape), np.float32))
            blocks[-1][place % BLOCK] = face.mesh
    if not blocks:
        raise InputError(f"{source}: no face found; give a video of one person who faces the camera")
    while len(blocks) * BLOCK < len(valid):
        blocks.append(np.zeros_like(blocks[0]))
    return np.concatenate(blocks)[: len(valid)], np.array(valid)


def track_video(
    path: Path, detector: DetectorName = "mediapipe", fps: float | None = None, tracks: Tracks = AS_PLAYED
) -> LandmarkSequence:
    """Landmarks and eye openness of the one person in a video, from landmarks alone (poses unaligned to the picture).

    Args:
        fps: of the result; the video's own (that of its dense stretches, where it varies) if None.

    Raises:
        InputError: not a video, broken, no face, or several faces.
    """
    path = Path(path)
    info = probe(path, tracks)
    rate = fps or info.fps
    meshes, valid = collect_meshes(read_frames(path, fps=rate, tracks=tracks), make_detector(detector), str(path))
    track = fit_track(meshes, valid, (info.width, info.height), rate, source=str(path))
    return track.sequence(person=path.stem, detector=detector)
