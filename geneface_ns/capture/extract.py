"""The one long pass over the video: frames to disk, face meshes, person mattes, and a small grey film for the body."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from audio_motion.files import written_whole
from audio_motion.tracking import Detector
from geneface_ns.capture.crop import Crop
from geneface_ns.capture.matte import PersonSegmenter
from geneface_ns.capture.source import Source
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import write_png

CHUNK = 256
"""Frames a file of findings: what an interrupted run may lose."""
SMALL = 192
"""Longer side of the small film, pixels."""
IN_FLIGHT = (4, 24)
"""Fewest and most frames being worked on at once."""
HELD_BYTES = 100_000_000
"""Of the frames being worked on, where that is between those."""


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
    make_detector: Callable[[], Detector],
    advance: Callable[[], None],
    count: int | None = None,
) -> int:
    """Write images, mattes and findings; chunks that an earlier run finished are passed over.

    Args:
        make_detector: called once, if there is something to do. A detector follows a face from frame to frame, so it
            forgets at each chunk: what is found does not depend on where a run was stopped.
        count: take this many frames at most.

    Returns:
        The number of frames.
    """
    for path in (layout.image(0), layout.matte(0), layout.chunk(0)):
        path.parent.mkdir(parents=True, exist_ok=True)
    segment = PersonSegmenter()
    small = small_size(crop.out_width, crop.out_height)
    in_flight = int(np.clip(HELD_BYTES // (3 * crop.out_width * crop.out_height), *IN_FLIGHT))
    rows: list[tuple[np.ndarray | None, np.ndarray, np.ndarray]] = []
    first = total = 0
    detector: Detector | None = None
    with (
        ThreadPoolExecutor(1) as detecting,
        ThreadPoolExecutor(1) as segmenting,
        ThreadPoolExecutor(2) as writing,
    ):
        waiting: deque[tuple[Future, Future, Future]] = deque()

        def mesh(rgb: np.ndarray, anew: bool, find: Detector) -> np.ndarray | None:
            if anew:
                find.forget()
            return main_face(find(rgb))

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
                face, person, grey = (future.result() for future in waiting.popleft())
                rows.append((face, grey, person))
                advance()
                if len(rows) == CHUNK:
                    _write_chunk(layout, first, rows)
                    first += CHUNK
                    rows.clear()

        for frame, whole in enumerate(source.frames()):
            if count is not None and frame >= count:
                break
            total = frame + 1
            start = frame - frame % CHUNK
            if start == first and not rows and not waiting and layout.chunk(start).exists():
                advance()
                if total % CHUNK == 0:
                    first = total
                continue
            anew = frame == start and detector is not None
            if detector is None:
                detector = make_detector()
            picture = crop.of(whole)
            waiting.append(
                (
                    detecting.submit(mesh, picture, anew, detector),
                    segmenting.submit(matte, picture, frame),
                    writing.submit(image, picture, frame),
                )
            )
            collect(in_flight)
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
    for path in _chunks(layout):
        with np.load(path) as file:
            yield Found(file["meshes"], file["grey"], file["person"])


class Meshes:
    """The face meshes of all frames, read from the findings as they are asked for: all of them are 6 kB a frame."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        shapes, seen = [], []
        for part in self._parts():
            shapes.append(part.shape[1])
            seen.append(np.isfinite(part).all(axis=(1, 2)))
        self.points = max(shapes)
        """How many points a mesh has."""
        self.valid = np.concatenate(seen)
        """bool [T]: whether a face was seen."""

    def in_frames(self, frames: np.ndarray) -> np.ndarray:
        """float32 [F, points, 3] of frames int [F], ascending, that show a face."""
        first, found = 0, []
        for part in self._parts():
            found.append(part[frames[(frames >= first) & (frames < first + len(part))] - first])
            first += len(part)
        return np.concatenate([part for part in found if len(part)])

    def of_points(self, points: np.ndarray) -> np.ndarray:
        """float32 [T, N, 3] of points int [N]; nan where no face was seen."""
        result = np.full((len(self.valid), len(points), 3), np.nan, np.float32)
        first = 0
        for part in self._parts():
            if part.shape[1] == self.points:
                result[first : first + len(part)] = part[:, points]
            first += len(part)
        return result

    def _parts(self) -> Iterator[np.ndarray]:
        for path in _chunks(self._layout):
            with np.load(path) as file:
                yield file["meshes"]


def _chunks(layout: Layout) -> list[Path]:
    return sorted(layout.chunk(0).parent.glob("[0-9]*.npz"))


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
