"""Where a person's Gaussians begin: a surface through the tracked landmarks and the head's outline, coloured by
projection, and the mouth's inside behind it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from audio_motion.topology import MOUTH
from geneface_ns.capture_format.capture import Capture
from geneface_ns.scene.frames import Frame, FrameStore

SKIN, SKULL, JAW = 0, 1, 2
"""What a Gaussian moves with: the landmarks around it, the head, or the chin."""
INSIDE = 600
"""Gaussians of the mouth's inside."""
INSIDE_COLOUR = (0.25, 0.13, 0.11)
DEEP = (0.04, 0.14)
"""How far behind the lips the mouth's inside begins, face widths."""
DENSE = 40
"""Times as many places are tried as are kept: enough for a slope of that much."""
SKIRT = 0.35
"""How far the surface goes on behind the outline, face widths: what a turned head shows."""
DENSER = 3
"""Times as many Gaussians at mouth and eyes."""
AGREE = 0.8
"""Part of the views whose mask a point must lie in."""


class Surface(NamedTuple):
    """N places in the head frame, of the mean face."""

    places: np.ndarray
    """float32 [N, 3]."""
    colours: np.ndarray
    """float32 [N, 3] in [0, 1]."""
    spacing: np.ndarray
    """float32 [N]: about how far the next one is, units."""
    kind: np.ndarray
    """int64 [N]: SKIN, SKULL or JAW."""


def head_surface(capture: Capture, store: FrameStore, count: int, views: int = 16) -> Surface:
    """About `count` places on the head of a capture.

    Args:
        store: the capture's frames at the training size.
        views: training frames looked at, spread over the capture.
    """
    frames = np.flatnonzero(capture.is_train & capture.valid)
    picks = frames[np.linspace(0, len(frames) - 1, min(views, len(frames))).astype(int)]
    poses = capture.c2w[frames]
    typical = frames[np.square(poses - poses.mean(axis=0)).sum(axis=(1, 2)).argmin()]
    lens = np.array([*capture.focal, *capture.centre]) / store.downscale
    mean = capture.mean_landmarks
    ears = float(mean[[0, 16], 2].mean())
    outline = _outline(store.frame(int(typical)).head, capture.c2w[typical], lens, ears)
    anchors = np.concatenate([mean, outline])
    height = RBFInterpolator(anchors[:, :2], anchors[:, 2], kernel="thin_plate_spline", smoothing=1e-3)
    pictures = [store.frame(int(i)) for i in picks]

    def seen(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _look(places, pictures, capture.c2w[picks], lens)

    low, high = outline[:, :2].min(axis=0), outline[:, :2].max(axis=0)
    generator = np.random.default_rng(0)

    def raised(plane: np.ndarray) -> np.ndarray:
        """Places over a plane [N, 2], those that are on the head."""
        z = np.clip(height(plane), ears, mean[:, 2].max() + 0.05)
        places = np.concatenate([plane, z[:, None]], axis=1)
        return places[seen(places)[0] > AGREE]

    dense = raised(generator.uniform(low, high, (DENSE * count, 2)))
    # A surface has a number of places that goes with the inverse square of their distance.
    step = float(np.sqrt(np.prod(high - low) / count))
    for _ in range(3):
        near = _near(dense, mean)
        skin, more = _thinned(dense[~near], step), _thinned(dense[near], step / np.sqrt(DENSER))
        step *= float(np.sqrt((len(skin) + len(more)) / count))
    backs = np.arange(step, SKIRT, 2 * step)
    skirt = np.concatenate([outline * [1, 1, 0] + [0, 0, ears - back] for back in backs])
    skirt = skirt[seen(skirt)[0] > AGREE]
    places = np.concatenate([skin, more, skirt])
    spacing = np.repeat([step, step / np.sqrt(DENSER), 2 * step], [len(skin), len(more), len(skirt)])
    inside = _inside(mean, generator)
    jaw = inside[:, 1] < mean[MOUTH, 1].mean()
    return Surface(
        np.concatenate([places, inside]).astype(np.float32),
        np.concatenate([seen(places)[1], np.tile(INSIDE_COLOUR, (len(inside), 1))]).astype(np.float32),
        np.concatenate([spacing, np.full(len(inside), step)]).astype(np.float32),
        np.concatenate([np.full(len(places), SKIN), np.where(jaw, JAW, SKULL)]),
    )


def _thinned(places: np.ndarray, step: float) -> np.ndarray:
    """The first of the places [N, 3] in each cell of a grid: as dense on slopes as elsewhere."""
    _, first = np.unique(np.floor(places / step).astype(np.int64), axis=0, return_index=True)
    return places[np.sort(first)]


def _outline(head: np.ndarray, c2w: np.ndarray, lens: np.ndarray, depth: float) -> np.ndarray:
    """The outline of a mask [H, W] on the plane z = depth of the head frame: [N, 3], at most 300."""
    contours, _ = cv2.findContours((head > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pixels = max(contours, key=len)[:, 0].astype(float) + 0.5
    pixels = pixels[:: max(1, len(pixels) // 300)]
    rays = np.stack([(pixels[:, 0] - lens[2]) / lens[0], -(pixels[:, 1] - lens[3]) / lens[1]], axis=1)
    rays = np.concatenate([rays, -np.ones((len(rays), 1))], axis=1) @ c2w[:3, :3].T
    return c2w[:3, 3] + rays * ((depth - c2w[2, 3]) / rays[:, 2:])


def _look(
    places: np.ndarray, pictures: list[Frame], poses: np.ndarray, lens: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """In which part of the views places are on the head, and their median colour there: [N], [N, 3]."""
    inside, colours = [], []
    for picture, c2w in zip(pictures, poses, strict=True):
        local = (places - c2w[:3, 3]) @ c2w[:3, :3]
        x = lens[0] * local[:, 0] / -local[:, 2] + lens[2]
        y = -lens[1] * local[:, 1] / -local[:, 2] + lens[3]
        rows, columns = picture.head.shape
        i, j = np.clip(y.astype(int), 0, rows - 1), np.clip(x.astype(int), 0, columns - 1)
        # What is beside the picture is no evidence against it.
        beside = (x < 0) | (y < 0) | (x >= columns) | (y >= rows)
        inside.append((picture.head[i, j] > 127) | beside)
        colours.append(picture.image[i, j] / 255)
    return np.mean(inside, axis=0), np.median(colours, axis=0)


def _near(places: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Places at mouth and eyes: bool [N]."""
    result = np.zeros(len(places), bool)
    for points in (mean[MOUTH], mean[36:42], mean[42:48]):
        low, high = points[:, :2].min(axis=0) - 0.03, points[:, :2].max(axis=0) + 0.03
        result |= ((places[:, :2] > low) & (places[:, :2] < high)).all(axis=1)
    return result


def _inside(mean: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Places in the mouth: [INSIDE, 3]."""
    lips = mean[MOUTH]
    middle, half = lips.mean(axis=0), np.ptp(lips, axis=0) / 2
    offsets = generator.uniform(-1, 1, (INSIDE, 2)) * [half[0] * 0.85, half[1] * 0.9]
    depth = middle[2] - generator.uniform(*DEEP, (INSIDE, 1))
    return np.concatenate([middle[:2] + offsets, depth], axis=1)
