"""What goes wrong where there is no real frame to compare with: torn edges, specks, creases, flicker, lips that do not
do what they are told."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from audio_motion.topology import MOUTH, face_width, mouth_opening
from geneface_ns.evaluation.metrics import obedience
from geneface_ns.evaluation.mouth import MouthTracker

BAND = 0.04
"""Face widths on each side of the head's edge that count as its silhouette."""
AROUND_LIPS = 0.06
"""Face widths around the lips that are left out: an open mouth has more to show than a shut one."""
WORST = 0.95
"""Quantile of the frames that is reported beside the mean: torn frames are rare."""
PER_FRAME = ("silhouette", "face", "flicker")


def fine_structure(picture: np.ndarray, where: np.ndarray) -> float:
    """Mean absolute Laplacian of a picture's grey values, uint8 [H, W, 3], in a region, bool [H, W]; of 255 a px^2."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[where].mean()) if where.any() else float("nan")


def silhouette_of(head: np.ndarray, width: float) -> np.ndarray:
    """The band along the edge of a head, uint8 [H, W] coverage, `width` px to each side: bool [H, W]. Holes and what
    floats beside the head have edges too."""
    size = 2 * max(1, round(width)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    solid = (head >= 128).astype(np.uint8)
    return cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, kernel) > 0


def hull_of(points: np.ndarray, size: tuple[int, int], margin: float = 0.0) -> np.ndarray:
    """The convex hull of points [N, 2] px, and `margin` px around it, in a picture of that width and height: bool."""
    filled = np.zeros((size[1], size[0]), np.uint8)
    corners = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(filled, corners, (1,))
    if margin > 0:
        cv2.polylines(filled, [corners], True, (1,), thickness=max(1, round(2 * margin)))
    return filled > 0


@dataclass
class Artefacts:
    """What is gathered of one driven video, frame by frame."""

    tracker: MouthTracker = field(default_factory=MouthTracker)
    frames: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PER_FRAME})
    asked: list[float] = field(default_factory=list)
    """Opening of the inner lips, face widths."""
    _last: list[np.ndarray] = field(default_factory=list)

    def add(self, picture: np.ndarray, head: np.ndarray, asked: np.ndarray) -> None:
        """The next frame.

        Args:
            picture: uint8 [H, W, 3].
            head: uint8 [H, W], how much of each pixel is head.
            asked: [68, 2] px, the landmarks that it was to show.
        """
        size, width = (picture.shape[1], picture.shape[0]), float(face_width(asked))
        face = hull_of(asked, size) & ~hull_of(asked[MOUTH], size, AROUND_LIPS * width)
        edge = silhouette_of(head, BAND * width) & ~hull_of(asked[MOUTH], size, AROUND_LIPS * width)
        self.frames["silhouette"].append(fine_structure(picture, edge))
        self.frames["face"].append(fine_structure(picture, face & ~edge))
        self._last = [*self._last[-2:], picture.astype(np.float32)]
        bend = np.full(picture.shape[:2], np.nan)
        if len(self._last) == 3:
            bend = np.abs(self._last[0] - 2 * self._last[1] + self._last[2]).mean(axis=2)
        self.frames["flicker"].append(float(bend[face | edge].mean()))
        self.tracker.add(picture)
        self.asked.append(float(mouth_opening(asked) / width))

    def gap(self) -> None:
        """The next frame does not follow the last one."""
        self._last = []

    def __len__(self) -> int:
        return len(self.asked)

    def summary(self, count: int | None = None) -> dict[str, float]:
        """Mean and worst twentieth of each figure over the first `count` frames (None: all), and `obedience`."""
        figures = {}
        for name, values in self.frames.items():
            known = np.array([value for value in values[:count] if np.isfinite(value)])
            figures[name] = float(known.mean()) if len(known) else float("nan")
            figures[f"{name}_worst"] = float(np.quantile(known, WORST)) if len(known) else float("nan")
        figures["obedience"] = obedience(np.stack(self.tracker.landmarks[:count]), np.array(self.asked[:count]))
        return figures
