"""Fit the maps between landmarks and ARKit's blendshapes, and say how well they tell each shape of unseen people.

    python benchmarks/arkit_map.py CORPUS VIDEOS face_landmarker.task
    python benchmarks/arkit_map.py CORPUS VIDEOS face_landmarker.task --output audio_motion/weights/arkit.npz

MediaPipe's face landmarker with its blendshape network (Apache-2.0, a file of its own) tells the shapes of every sixth
frame of the videos that `audio-motion corpus VIDEOS CORPUS` tracked. Of each speaker, a shape's lowest twentieth is
taken for rest: the network sees a frown in some faces at rest. Maps are fitted by ridge regression; the figures come
from five folds by speaker. Shapes told worse than `WORST` are left at 0, and those that hardly moved (`LEAST`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import mediapipe as mp
import numpy as np
import tyro
from machine import describe
from rich.progress import track

from audio_motion.arkit.shapes import SHAPES
from audio_motion.arrays import write_arrays
from audio_motion.data.corpus import load_corpus
from audio_motion.media import read_frames

EVERY = 6
"""Of the frames one is looked at."""
MOST = 45
"""Frames of a recording at most."""
SIDE = 640
"""Pixels of the longer side that the network is shown at most."""
WORST = 0.55
"""Correlation over unseen speakers, each about their own mean, below which a shape is said not to be told; of left and
right the mean."""
LEAST = 0.01
"""Standard deviation below which nothing can be learnt of a shape."""
FOLDS = 5
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Of the ridge, over the features' variance."""


class Faces(NamedTuple):
    """Frames of which both were seen."""

    features: np.ndarray
    """float64 [N, 204]: landmarks about the recording's mean."""
    shapes: np.ndarray
    """float64 [N, 52], over rest."""
    speakers: np.ndarray
    """int [N]"""


@dataclass
class ArkitMap:
    """What to fit on."""

    corpus: Annotated[Path, tyro.conf.Positional]
    """Made of the videos by `audio-motion corpus`."""
    videos: Annotated[Path, tyro.conf.Positional]
    """Those videos."""
    model: Annotated[Path, tyro.conf.Positional]
    """MediaPipe's face_landmarker.task."""
    output: Path | None = None
    """Where the maps of all speakers are written."""

    def main(self) -> None:
        """Print a row a shape."""
        print(describe())
        faces = self._look()
        folds = np.unique(faces.speakers, return_inverse=True)[1] % FOLDS
        print(f"{len(faces.shapes)} frames of {len(np.unique(faces.speakers))} speakers")
        strength = max(STRENGTHS, key=lambda each: np.nanmean(held_out(faces, folds, each)))
        told = held_out(faces, folds, strength)
        print(f"ridge {strength:g}\n| shape | correlation | deviation |\n| --- | --- | --- |")
        deviations = about_speakers(faces.shapes, faces.speakers).std(0)
        for name, value, deviation in zip(SHAPES, told, deviations, strict=True):
            print(f"| {name} | {value:.2f} | {deviation:.3f} |")
        kept = (of_pairs(np.nan_to_num(told)) >= WORST) & (of_pairs(deviations) >= LEAST)
        print(f"{kept.sum()} shapes are told")
        back = unseen(faces.shapes * kept, faces.features, folds, strength)
        for name, part in (("opening", [3 * 62 + 1, 3 * 66 + 1]), ("width", [3 * 48, 3 * 54])):
            real, made = (x[:, part[0]] - x[:, part[1]] for x in (faces.features, back))
            real, made = (about_speakers(x[:, None], faces.speakers)[:, 0] for x in (real, made))
            print(f"back to landmarks, {name}: correlation {np.corrcoef(real, made)[0, 1]:.3f}")
        if self.output is not None:
            usual = faces.shapes.mean(0) * kept
            to_shapes = ridge(faces.features, faces.shapes - usual, strength) * kept[:, None]
            to_face = ridge(faces.shapes * kept - usual, faces.features, strength)
            maps = {"to_shapes": to_shapes, "usual": usual, "to_face": to_face}
            write_arrays(self.output, {name: value.astype(np.float32) for name, value in maps.items()}, compressed=True)

    def _look(self) -> Faces:
        vision = mp.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=mp.tasks.BaseOptions(model_asset_path=str(self.model)), output_face_blendshapes=True
        )
        places = {name.lower(): index for index, name in enumerate(SHAPES)}
        features, shapes, speakers, people = [], [], [], {}
        with vision.FaceLandmarker.create_from_options(options) as find:
            for clip in track(load_corpus(self.corpus), "look"):
                motion, before = clip.sequence, len(shapes)
                mean = motion.landmarks[motion.valid].mean(0)
                for index, (_, rgb) in enumerate(read_frames(self.videos / clip.name, motion.fps)):
                    if index >= min(len(motion), EVERY * MOST):
                        break
                    if index % EVERY or not motion.valid[index]:
                        continue
                    scale = min(1.0, SIDE / max(rgb.shape))
                    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                    seen = find.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(small)))
                    if not seen.face_blendshapes:
                        continue
                    row = np.zeros(len(SHAPES))
                    for shape in seen.face_blendshapes[0]:
                        if (place := places.get(shape.category_name.lower())) is not None:
                            row[place] = shape.score
                    features.append((motion.landmarks[index] - mean).ravel())
                    shapes.append(row)
                    speakers.append(people.setdefault(motion.person, len(people)))
                if len(shapes) > before:
                    of_clip = np.stack(shapes[before:])
                    shapes[before:] = list(np.maximum(of_clip - np.quantile(of_clip, 0.05, axis=0), 0))
        return Faces(np.stack(features).astype(float), np.stack(shapes), np.array(speakers))


def ridge(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    """The map [M, N] from x [T, N], about 0, to y [T, M]."""
    gram = x.T @ x
    return np.linalg.solve(gram + strength * np.trace(gram) / len(gram) * np.eye(len(gram)), x.T @ y).T


def unseen(x: np.ndarray, y: np.ndarray, folds: np.ndarray, strength: float) -> np.ndarray:
    """y [T, M] as told from x by maps that were fitted on the other folds."""
    told = np.zeros_like(y)
    for fold in np.unique(folds):
        other = folds != fold
        mean_x, mean_y = x[other].mean(0), y[other].mean(0)
        told[~other] = (x[~other] - mean_x) @ ridge(x[other] - mean_x, y[other] - mean_y, strength).T + mean_y
    return told


def held_out(faces: Faces, folds: np.ndarray, strength: float) -> np.ndarray:
    """[52] correlation of each shape, about each speaker's mean; nan where it never moves."""
    told = np.clip(unseen(faces.features, faces.shapes, folds, strength), 0, 1)
    real, made = (about_speakers(x, faces.speakers) for x in (faces.shapes, told))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (real * made).mean(0) / (real.std(0) * made.std(0))


def of_pairs(values: np.ndarray) -> np.ndarray:
    """[52] each value, or of a left and a right shape their mean."""
    places = {name: index for index, name in enumerate(SHAPES)}
    swapped = {name: name.replace("Left", "*").replace("Right", "Left").replace("*", "Right") for name in SHAPES}
    return np.array([(values[places[name]] + values[places[swapped[name]]]) / 2 for name in SHAPES])


def about_speakers(values: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """values [N, M] minus each speaker's mean."""
    return values - np.stack([values[speakers == s].mean(0) for s in range(speakers.max() + 1)])[speakers]


if __name__ == "__main__":
    tyro.cli(ArkitMap).main()
