"""Between landmarks and ARKit's blendshapes: two linear maps, learnt from faces of which both were seen.

MediaPipe's blendshape network (Apache-2.0) told the shapes of 166 recordings that were tracked as captures are;
`benchmarks/arkit_map.py` fits the maps by ridge regression and says how well each shape is told for people that it was
not fitted on. Shapes that landmarks do not tell stay 0: gaze, tongue, puffed cheeks (`Rig.told`). Blinks need no map:
they are how far an eye is shut.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from audio_motion.arkit.shapes import SHAPES
from audio_motion.arrays import read_arrays
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE

RIG = Path(__file__).parents[1] / "weights" / "arkit.npz"
OPEN = 0.3
"""Eye openness of open eyes (height over width) that motion made of blendshapes has."""


_BLINKS = [SHAPES.index("EyeBlinkRight"), SHAPES.index("EyeBlinkLeft")]
"""The person's right eye is on the image's left."""


class Rig:
    """The two maps. A face is its landmarks' offset from the mean face and its eyes' openness over their usual one."""

    def __init__(self, maps: dict[str, np.ndarray]) -> None:
        """
        Args:
            maps: `to_shapes` [52, 204], `usual` [52] of the shapes, and `to_face` [204, 52].
        """
        self._to_shapes, self._usual, self._to_face = maps["to_shapes"], maps["usual"], maps["to_face"]

    @property
    def told(self) -> tuple[str, ...]:
        """The shapes that landmarks tell."""
        return tuple(name for name, row in zip(SHAPES, self._to_shapes, strict=True) if row.any())

    def shapes(self, offsets: np.ndarray, eyes: np.ndarray) -> np.ndarray:
        """Strengths of the shapes.

        Args:
            offsets: [T, 68, 3] landmarks minus the person's mean face, template scale.
            eyes: [T, 2] eye openness over its usual value, the eye on the image's left first.

        Returns:
            float32 [T, 52], 0 to 1.
        """
        shapes = offsets.reshape(len(offsets), -1) @ self._to_shapes.T + self._usual
        shapes[:, _BLINKS] = 1.0 - eyes
        return np.clip(shapes, 0, 1).astype(np.float32)

    def face(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What `shapes` takes, of shapes [T, 52]: offsets float32 [T, 68, 3] and eyes float32 [T, 2]."""
        offsets = ((shapes - self._usual) @ self._to_face.T).astype(np.float32)
        return offsets.reshape(-1, 68, 3), (1.0 - shapes[:, _BLINKS]).astype(np.float32)


@lru_cache(maxsize=1)
def shipped_rig() -> Rig:
    """The one that comes with the package."""
    return Rig(read_arrays(RIG))


def shapes_of(sequence: LandmarkSequence, rig: Rig | None = None) -> np.ndarray:
    """A sequence's motion as strengths of ARKit's shapes: float32 [T, 52], 0 to 1.

    It is about the mean face that the sequence names, else about the mean of its valid frames; its eyes' usual openness
    is their upper quartile.
    """
    valid = sequence.valid if sequence.valid.any() else np.ones(len(sequence), bool)
    offsets = sequence.landmarks
    if sequence.space == "head":
        offsets = offsets - (sequence.landmarks[valid].mean(axis=0) if sequence.mean is None else sequence.mean)
    usual = np.maximum(np.quantile(sequence.eye_openness[valid], 0.75, axis=0), 1e-3)
    return (rig or shipped_rig()).shapes(offsets, sequence.eye_openness / usual)


def sequence_of(shapes: np.ndarray, fps: float, name: str, rig: Rig | None = None) -> LandmarkSequence:
    """Shapes [T, 52] as the motion of the template's face, which any person can perform.

    Args:
        name: whose motion it is.
    """
    offsets, eyes = (rig or shipped_rig()).face(shapes)
    return LandmarkSequence(
        landmarks=(TEMPLATE + offsets).astype(np.float32),
        fps=fps,
        eye_openness=(OPEN * eyes).astype(np.float32),
        valid=np.ones(len(shapes), bool),
        person=name,
        producer=Producer("tracker", "ARKit blendshapes"),
        mean=TEMPLATE,
    )
