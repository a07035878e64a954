"""Finding faces and their points in one picture: the detectors, and which face of a clip is the person."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.error import URLError

import numpy as np

from audio_motion.errors import InputError
from audio_motion.topology import TEMPLATE

DetectorName = Literal["mediapipe", "face-alignment"]

# The vertices of MediaPipe's face mesh that stand where the iBUG points stand.
MEDIAPIPE_68 = np.concatenate(
    (
        [127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356],
        [71, 63, 105, 66, 107, 336, 296, 334, 293, 301],
        [168, 197, 5, 4, 75, 97, 2, 326, 305],
        [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380],
        [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87],
    )
)
"""int [68]: landmark to mesh vertex."""

SAME_FACE_OVERLAP = 0.3
"""Boxes that overlap more than this (intersection over union) are one face."""

SIMILAR_SIZE = 0.7
"""A second face at least this wide, relative to the main one, makes it unclear who is meant."""

SEVERAL_FACES_FRAMES = 5
"""Consecutive frames with a second face before it is believed: detectors see things for a frame or two."""


@dataclass(frozen=True)
class Face:
    """One face in one picture."""

    mesh: np.ndarray
    """float32 [M, 3]: x right, y down in pixels, and depth away from the camera in pixels relative to the face."""
    landmarks: np.ndarray
    """float32 [68, 2]: iBUG points, pixels."""

    @property
    def box(self) -> np.ndarray:
        """float [4]: x0, y0, x1, y1 around the landmarks, pixels."""
        return np.concatenate([self.landmarks.min(axis=0), self.landmarks.max(axis=0)])

    @property
    def size(self) -> float:
        """Pixels: the larger side of the box."""
        x0, y0, x1, y1 = self.box
        return float(max(x1 - x0, y1 - y0))


class Detector(Protocol):
    """Finds the faces of one picture. Pictures come in the order of the video: a detector may follow a face."""

    name: DetectorName

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        """All faces in uint8 RGB [H, W, 3]; empty where there is none."""
        ...

    def forget(self) -> None:
        """Follow no face of an earlier picture: what comes next is seen as if it came first."""
        ...


def make_detector(name: DetectorName) -> Detector:
    """Load a detector.

    Raises:
        InputError: it cannot be loaded here (a library or its weights are missing); the message says what to do.
    """
    return FaceAlignmentDetector() if name == "face-alignment" else MediapipeDetector()


def landmark_points(count: int) -> np.ndarray:
    """Which of a detector's `count` points, 478 (mediapipe) or 68, are the landmarks: int [68]."""
    return np.arange(68) if count == 68 else MEDIAPIPE_68


def landmarks_of(meshes: np.ndarray) -> np.ndarray:
    """The 68 points of a detector's points: [..., M, C] -> [..., 68, C]."""
    return meshes[..., landmark_points(meshes.shape[-2]), :]


class MediapipeDetector:
    """MediaPipe's face mesh with irises: 478 points, about 11 ms a picture on one core; weights are in its wheel."""

    name: DetectorName = "mediapipe"

    def __init__(self) -> None:
        os.environ.setdefault("GLOG_minloglevel", "2")
        try:
            from mediapipe.python.solutions import face_mesh
        except ImportError as error:
            raise InputError(
                f"mediapipe cannot be loaded ({error}); where the system library is missing, run "
                "pip install --force-reinstall --no-deps opencv-python-headless==4.10.0.84"
            ) from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Two faces, so that a second person can be noticed.
            self._mesh = face_mesh.FaceMesh(static_image_mode=False, max_num_faces=2, refine_landmarks=True)
        # It frees its memory (27 MB) and ends its threads only when told to.
        weakref.finalize(self, self._mesh.close).atexit = False

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        height, width = rgb.shape[:2]
        found = self._mesh.process(rgb).multi_face_landmarks or []
        # Its depth is in the unit of its x: a share of the picture's width.
        size = np.array([width, height, width], np.float32)
        meshes = [np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) * size for face in found]
        return [Face(mesh, landmarks_of(mesh)[:, :2]) for mesh in meshes]

    def forget(self) -> None:
        # Not a new one: each leaves some megabytes behind.
        self._mesh.reset()


class FaceAlignmentDetector:
    """The face-alignment library's 3-D aware 68 points (Bulat and Tzimiropoulos, ICCV 2017); downloads its weights.

    Depth comes from the template, posed to the points: the library's own depth network is published as a pickle that
    runs code when loaded.
    """

    name: DetectorName = "face-alignment"

    def __init__(self) -> None:
        try:
            import face_alignment
        except ImportError as error:
            raise InputError(
                f"face-alignment cannot be loaded ({error}); run pip install face-alignment, or where the system "
                "library is missing pip install --force-reinstall --no-deps opencv-python-headless==4.10.0.84"
            ) from error
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._model: Any = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_HALF_D, device=device, compile=False
            )
        except (URLError, OSError) as error:
            folder = Path(torch.hub.get_dir()) / "checkpoints"
            raise InputError(
                f"face-alignment's weights cannot be downloaded ({error}); put s3fd-619a316812.pth and "
                f"3DFAN4-7835d9f11d.pth.tar from https://www.adrianbulat.com/downloads/python-fan/ into {folder}, "
                "or use the mediapipe detector"
            ) from error

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where it finds no face
            found = self._model.get_landmarks_from_image(rgb) or []
        # It cuts its points down to whole pixels; on average they were half a pixel further on.
        points = [np.asarray(face, np.float32)[:, :2] + 0.5 for face in found]
        return [Face(np.column_stack([p, template_depth(p)]).astype(np.float32), p) for p in points]

    def forget(self) -> None:
        """It sees each picture by itself."""


def template_depth(points: np.ndarray) -> np.ndarray:
    """Depth (pixels, away from the camera) of the template under the weak perspective that best explains `points`.

    Args:
        points: [68, 2] pixels, y down.

    Returns:
        float [68], zero mean.
    """
    template = np.asarray(TEMPLATE - TEMPLATE.mean(axis=0), np.float64)
    affine = np.linalg.lstsq(template, points - points.mean(axis=0), rcond=None)[0].T  # [2, 3]
    u, singular, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    return template @ np.cross(rows[0], rows[1]) * singular.mean()


def choose_face(faces: Sequence[Face], previous: Face | None) -> Face | None:
    """The person among the faces of one picture: the one that overlaps `previous` most, else the largest."""
    if not faces:
        return None
    if previous is not None:
        overlaps = [_overlap(face.box, previous.box) for face in faces]
        if max(overlaps) > SAME_FACE_OVERLAP:
            return faces[int(np.argmax(overlaps))]
    return max(faces, key=lambda face: face.size)


class FaceChooser:
    """Follows the person through a clip, picture by picture, and objects to a second person."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._previous: Face | None = None
        self._seconds_faces = 0

    def __call__(self, faces: Sequence[Face], time: float) -> Face | None:
        """The person's face in the picture at `time` seconds, or None where it is not seen.

        Raises:
            InputError: another face of similar size has been there for several pictures.
        """
        chosen = choose_face(faces, self._previous)
        self._previous = chosen or self._previous
        others = [f for f in faces if chosen is not None and _overlap(f.box, chosen.box) < SAME_FACE_OVERLAP]
        similar = chosen is not None and any(f.size > SIMILAR_SIZE * chosen.size for f in others)
        self._seconds_faces = self._seconds_faces + 1 if similar else 0
        if self._seconds_faces >= SEVERAL_FACES_FRAMES:
            raise InputError(
                f"{self._source}: two faces of similar size at {time:.2f} s; crop the video to one person, or cut it"
            )
        return chosen


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)
