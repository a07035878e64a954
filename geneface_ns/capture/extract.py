"""The one long pass over the video: frames to disk, face meshes, person mattes, and a small grey film for the body."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from audio_motion.files import written_whole
from geneface_ns.capture.crop import Crop
from geneface_ns.capture.matte import PersonSegmenter
from geneface_ns.capture.source import Source
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import write_png

CHUNK = 256
"""Frames a file of findings: what an interrupted run may lose."""
SMALL = 192
"""Longer side of the small film, pixels."""
IN_FLIGHT = 24
"""Frames being worked on at once; bounds the memory."""


@dataclass(frozen=True)
class Found:
    """What was found in a run of frames."""

    meshes: np.ndarray
    """float32 [T, M, 3] px, px, relative depth px; nan where no face was seen."""
    grey: np.ndarray
    """uint8 [T, h, w] luminance at the small size."""
    person: np.ndarray
    """uint8 [T, h, w] person matte at the small size."""


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the small film."""
    scale = min(1.0, SMALL / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def extract(
    source: Source,
    crop: Crop,
    layout: Layout,
    make_detector: Callable[[], Any],
    advance: Callable[[], None],
    count: int | None = None,
) -> int:
    """Write images, mattes and findings; chunks that an earlier run finished are passed over.

    Args:
        make_detector: makes one of `audio_motion.tracking` (called in one thread, frame after frame). It follows a face
            from frame to frame, so each chunk has its own: what is found does not depend on where a run was stopped.
        count: take this many frames at most.

    Returns:
        The number of frames.
    """
    for path in (layout.image(0), layout.matte(0), layout.chunk(0)):
        path.parent.mkdir(parents=True, exist_ok=True)
    segment = PersonSegmenter()
    small = small_size(crop.out_width, crop.out_height)
    rows: list[tuple[np.ndarray | None, np.ndarray, np.ndarray]] = []
    first = total = 0
    with (
        ThreadPoolExecutor(1) as detecting,
        ThreadPoolExecutor(1) as segmenting,
        ThreadPoolExecutor(2) as writing,
    ):
        waiting: deque[tuple[Future, Future, Future]] = deque()

        def matte(rgb: np.ndarray, frame: int) -> np.ndarray:
            person = segment(rgb)
            write_png(layout.matte(frame), person)
            return cv2.resize(person, small, interpolation=cv2.INTER_AREA)

        def image(rgb: np.ndarray, frame: int) -> np.ndarray:
            write_png(layout.image(frame), rgb)
            grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
            return cv2.resize(grey, small, interpolation=cv2.INTER_AREA)

        def collect(until: int) -> None:
            nonlocal first
            while len(waiting) > until:
                mesh, person, grey = (future.result() for future in waiting.popleft())
                rows.append((mesh, grey, person))
                advance()
                if len(rows) == CHUNK:
                    _write_chunk(layout, first, rows)
                    first += CHUNK
                    rows.clear()

        for frame, rgb in enumerate(source.frames()):
            if count is not None and frame >= count:
                break
            total = frame + 1
            start = frame - frame % CHUNK
            if start == first and not rows and not waiting and layout.chunk(start).exists():
                advance()
                if total % CHUNK == 0:
                    first = total
                continue
            if frame == start:
                detector = make_detector()
            picture = crop.apply(rgb)
            waiting.append(
                (
                    detecting.submit(lambda p, find: main_face(find(p)), picture, detector),
                    segmenting.submit(matte, picture, frame),
                    writing.submit(image, picture, frame),
                )
            )
            collect(IN_FLIGHT)
        collect(0)
    if rows:
        _write_chunk(layout, first, rows)
    return total


def main_face(faces: list[Any]) -> np.ndarray | None:
    """The mesh [M, 3] of the widest face, None where there is none."""
    if not faces:
        return None
    meshes = [np.asarray(face.mesh, np.float32) for face in faces]
    return max(meshes, key=lambda mesh: float(np.ptp(mesh[:, 0])))


def found(layout: Layout) -> Iterator[Found]:
    """The findings, a chunk at a time."""
    for path in sorted(layout.chunk(0).parent.glob("[0-9]*.npz")):
        with np.load(path) as file:
            yield Found(file["meshes"], file["grey"], file["person"])


def all_meshes(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Meshes [T, M, 3] (nan where unseen) and valid [T] of all frames: 6 kB a frame."""
    parts = [part.meshes for part in found(layout)]
    points = max(part.shape[1] for part in parts)
    parts = [p if p.shape[1] == points else np.full((len(p), points, 3), np.nan, np.float32) for p in parts]
    meshes = np.concatenate(parts)
    return meshes, np.isfinite(meshes).all(axis=(1, 2))


def _write_chunk(layout: Layout, first: int, rows: list[tuple[np.ndarray | None, np.ndarray, np.ndarray]]) -> None:
    points = max((len(mesh) for mesh, _, _ in rows if mesh is not None), default=1)
    unseen = np.full((points, 3), np.nan, np.float32)
    with written_whole(layout.chunk(first)) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            meshes=np.stack([unseen if mesh is None else mesh for mesh, _, _ in rows]),
            grey=np.stack([grey for _, grey, _ in rows]),
            person=np.stack([person for _, _, person in rows]),
        )
