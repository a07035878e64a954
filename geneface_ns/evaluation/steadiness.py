"""Whether what does not speak stands still: the head against its background, shoulders, hair, the background itself.

Each measure is taken of the real frames too: a picture need not be stiller than what was filmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from audio_motion.topology import BROWS, STILL, face_width, mouth_opening
from geneface_ns.evaluation.metrics import obedience
from geneface_ns.evaluation.mouth import MouthTracker

REGIONS = ("background", "shoulders", "hair")
AWAY = 0.015
"""Picture widths by which a region's pixels keep from its edge, where two things mix."""


def head_jitter(landmarks: np.ndarray) -> float:
    """How far a head is off a smooth course from frame to frame, in face widths.

    Of the place of the points that do not speak, the second difference over time, divided by what it is of independent
    noise: a head that shakes by normal noise of deviation s in x and y, on whatever slow course, has s.

    Args:
        landmarks: [T, 68, 2] tracked in consecutive frames, px; nan where no face was found.

    Returns:
        nan where no three frames in a row have a face.
    """
    place = landmarks[:, STILL].mean(axis=1)
    bend = place[2:] - 2 * place[1:-1] + place[:-2]
    if not np.isfinite(bend).any():
        return float("nan")
    return float(np.sqrt(np.nanmean(bend**2) / 6) / np.nanmean(face_width(landmarks)))


def regions_of(head: np.ndarray, torso: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
    """Where there is what does not speak, away from the edges: bool [H, W] each.

    Args:
        head, torso: uint8 [H, W], how much of each pixel is head or torso.
        landmarks: [68, 2] px.
    """
    above = np.arange(len(head))[:, None] + 0.5 < landmarks[BROWS, 1].min()
    parts = {
        "background": (head == 0) & (torso == 0),
        "shoulders": torso == 255,
        "hair": (head == 255) & above,
    }
    size = 2 * max(1, round(AWAY * head.shape[1])) + 1
    kernel = np.ones((size, size), np.uint8)
    return {name: cv2.erode(part.astype(np.uint8), kernel, borderValue=(1,)) > 0 for name, part in parts.items()}


@dataclass
class Steadiness:
    """One video, frame by frame: where the tracker sees its face, and how much it changes where nothing speaks."""

    mouth: MouthTracker = field(default_factory=MouthTracker)
    asked: list[float] = field(default_factory=list)
    """Opening of the inner lips that each frame was to show, face widths."""
    changes: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in REGIONS})
    """From one frame to the next, mean of each region, of 255."""
    _course: list[np.ndarray] = field(default_factory=list)
    """Landmarks, and nan where a frame is missing."""
    _before: tuple[np.ndarray, Mapping[str, np.ndarray]] | None = None

    def add(self, picture: np.ndarray, regions: Mapping[str, np.ndarray], asked: np.ndarray) -> None:
        """The next frame, uint8 [H, W, 3], where its regions are, and the landmarks [68, 2] that it was to show."""
        self.mouth.add(picture)
        self._course.append(self.mouth.landmarks[-1])
        self.asked.append(float(mouth_opening(asked) / face_width(asked)))
        if self._before is not None:
            earlier, there = self._before
            change = np.abs(picture.astype(np.int16) - earlier).mean(axis=2)
            for name in REGIONS:
                both = regions[name] & there[name]
                if both.any():
                    self.changes[name].append(float(change[both].mean()))
        self._before = picture, regions

    def gap(self) -> None:
        """The next frame does not follow the last one."""
        self._before = None
        self._course.append(np.full((68, 2), np.nan, np.float32))

    def summary(self) -> dict[str, float]:
        """Jitter in thousandths of a face width, change of each region of 255, obedience; nan where not to be had."""
        figures = {"head_jitter": 1000 * head_jitter(np.stack(self._course))}
        for name, values in self.changes.items():
            figures[f"{name}_change"] = float(np.mean(values)) if values else float("nan")
        figures["obedience"] = obedience(np.stack(self.mouth.landmarks), np.array(self.asked))
        return figures
