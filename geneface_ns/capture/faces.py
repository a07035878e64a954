"""Finding faces in a picture, and which way up they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RIGHT_EYE, LEFT_EYE = 0, 1
"""Among mediapipe's key points; the right eye is on the image's left."""
UPRIGHT = 50.0
"""Degrees of tilt up to which a head is upright: it may lie on a hand."""
SURE = 0.85
"""Score from which a face is surely the right way up; upside down it reached 0.8 on real people."""
TURNS = (90, 270, 180)
"""Degrees clockwise to turn a picture by."""


@dataclass(frozen=True)
class Faces:
    """The faces of a picture."""

    boxes: np.ndarray
    """[K, 4] x0, y0, x1, y1 px, the widest first; of the picture turned by `turn`."""
    turn: int = 0
    """Degrees clockwise by which the picture must be turned to have the widest face upright: 0, 90, 180 or 270."""

    @property
    def upright(self) -> bool:
        """Whether there is a face, and upright."""
        return len(self.boxes) > 0 and self.turn == 0


def face_finder() -> Callable[[np.ndarray], Faces]:
    """A function from uint8 RGB [H, W, 3] to its faces. Where none is surely upright, the picture is tried turned."""
    import mediapipe as mp

    module = mp.solutions.face_detection
    # Model 1 finds small faces in wide pictures, model 0 faces that fill the picture.
    models = [module.FaceDetection(model_selection=m, min_detection_confidence=0.6) for m in (1, 0)]

    def detect(rgb: np.ndarray) -> tuple[np.ndarray, float]:
        """Boxes of the first model that finds any, and the best score of an upright face."""
        rgb = np.ascontiguousarray(rgb)
        boxes, best, tilted = np.zeros((0, 4)), 0.0, False
        for model in models:
            found = sorted(model.process(rgb).detections or [], key=_width, reverse=True)
            if found and not len(boxes):
                boxes = np.stack([_box(face, rgb.shape) for face in found])
            if found and found[0].score[0] > best:
                best, tilted = found[0].score[0], abs(_tilt(found[0], rgb.shape)) > UPRIGHT
            if best >= SURE:
                break
        return boxes, 0.0 if tilted else best

    def find(rgb: np.ndarray) -> Faces:
        boxes, score = detect(rgb)
        faces = Faces(boxes)
        if score >= SURE:
            return faces
        for turn in TURNS:
            boxes, other = detect(turned_by(rgb, turn))
            if other > score:
                faces, score = Faces(boxes, turn), other
        return faces

    return find


def turned_by(rgb: np.ndarray, degrees: int) -> np.ndarray:
    """A picture [H, W, ...] turned clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(rgb, -degrees // 90)) if degrees else rgb


def _width(face: Any) -> float:
    return float(face.location_data.relative_bounding_box.width)


def _box(face: Any, shape: tuple[int, ...]) -> np.ndarray:
    box = face.location_data.relative_bounding_box
    corners = np.array([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height])
    return corners * [shape[1], shape[0], shape[1], shape[0]]


def _tilt(face: Any, shape: tuple[int, ...]) -> float:
    """Degrees clockwise."""
    right, left = (face.location_data.relative_keypoints[eye] for eye in (RIGHT_EYE, LEFT_EYE))
    return float(np.degrees(np.arctan2((left.y - right.y) * shape[0], (left.x - right.x) * shape[1])))
