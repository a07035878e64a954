"""Where a person's Gaussians begin: a surface through the tracked landmarks and the head's outline, coloured by
projection, and the mouth's inside behind it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from audio_motion.errors import InputError
from audio_motion.topology import INNER_LOWER_LIP, INNER_UPPER_LIP, MOUTH
from geneface_ns.capture_format.capture import Capture
from geneface_ns.scene.frames import FrameStore

SKIN, SKULL, JAW = 0, 1, 2
"""What a Gaussian moves with: the landmarks around it, the head, or the chin."""
INSIDE = 600
"""Gaussians of the mouth's inside."""
FEWEST = 2 * INSIDE
"""Gaussians of a head."""
INSIDE_COLOUR = (0.25, 0.13, 0.11)
DEEP = (0.04, 0.14)
"""How far behind the lips the mouth's inside begins, face widths."""
DENSE = 16
"""Times as many places are tried as are kept: enough for mouth and eyes, and for slopes elsewhere."""
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

    Raises:
        InputError: too few are asked for, or the capture's masks hold no head.
    """
    if count < FEWEST:
        raise InputError(f"{count} Gaussians make no head; ask for at least {FEWEST}")
    frames = np.flatnonzero(capture.is_train & capture.valid)
    picks = frames[np.linspace(0, len(frames) - 1, min(views, len(frames))).astype(int)]
    poses = capture.c2w[frames]
    typical = frames[np.square(poses - poses.mean(axis=0)).sum(axis=(1, 2)).argmin()]
    lens = np.array([*capture.focal, *capture.centre]) / store.downscale
    mean = capture.mean_landmarks
    ears = float(mean[[0, 16], 2].mean())
    shown = store.frame(int(typical)).head > 127
    if not shown.any():
        path = capture.layout.mask(int(typical))
        raise InputError(f"{path}: no head in it, where the head should begin; run `geneface process` again")
    outline = _outline(shown, capture.c2w[typical], lens, ears)
    anchors = np.concatenate([mean, outline])
    height = RBFInterpolator(anchors[:, :2], anchors[:, 2], kernel="thin_plate_spline", smoothing=1e-3)
    pictures = [store.frame(int(i)) for i in picks]

    def on_head(places: np.ndarray) -> np.ndarray:
        """Those of the places [N, 3] that nearly all views have in their masks."""
        agree = np.zeros(len(places))
        for picture, c2w in zip(pictures, capture.c2w[picks], strict=True):
            row, column, beside = _pixels(places, c2w, lens, picture.head.shape)
            agree += (picture.head[row, column] > 127) | beside  # what is beside a picture is no evidence against it
        return places[agree > AGREE * len(pictures)]

    low, high = outline[:, :2].min(axis=0), outline[:, :2].max(axis=0)
    generator = np.random.default_rng(0)

    def raised(plane: np.ndarray) -> np.ndarray:
        """Places over a plane [N, 2], those that are on the head."""
        z = np.clip(height(plane), ears, mean[:, 2].max() + 0.05)
        return on_head(np.concatenate([plane, z[:, None]], axis=1))

    dense = raised(generator.uniform(low, high, (DENSE * count, 2)))
    # Skin between the lips would hide the mouth's inside, which then would never learn.
    dense = dense[~_between_lips(dense, mean)]
    if len(dense) < count:
        raise InputError(f"{capture.folder}: its masks and poses agree on no head; run `geneface process` again")
    near = _near(dense, mean)
    behind = generator.uniform(0, SKIRT, (DENSE, len(outline)))
    skirt = on_head((outline - behind[..., None] * [0, 0, 1]).reshape(-1, 3))
    # The number of places goes with the inverse square of their distance.
    step = float(np.sqrt(np.prod(high - low) / count))
    for _ in range(3):
        parts = [(dense[~near], step), (dense[near], step / np.sqrt(DENSER)), (skirt, 2 * step)]
        kept = [_thinned(places, apart) for places, apart in parts]
        step *= float(np.sqrt(sum(map(len, kept)) / (count - INSIDE)))
    places = np.concatenate(kept)
    spacing = np.repeat([apart for _, apart in parts], [len(part) for part in kept])
    colours = []
    for picture, c2w in zip(pictures, capture.c2w[picks], strict=True):
        row, column, _ = _pixels(places, c2w, lens, picture.head.shape)
        colours.append(picture.image[row, column] / 255)
    inside = _inside(mean, generator)
    jaw = inside[:, 1] < mean[MOUTH, 1].mean()
    return Surface(
        np.concatenate([places, inside]).astype(np.float32),
        np.concatenate([np.median(colours, axis=0), np.tile(INSIDE_COLOUR, (len(inside), 1))]).astype(np.float32),
        np.concatenate([spacing, np.full(len(inside), step)]).astype(np.float32),
        np.concatenate([np.full(len(places), SKIN), np.where(jaw, JAW, SKULL)]),
    )


def _thinned(places: np.ndarray, step: float) -> np.ndarray:
    """The first of the places [N, 3] in each cell of a grid: as dense on slopes as elsewhere."""
    _, first = np.unique(np.floor(places / step).astype(np.int64), axis=0, return_index=True)
    return places[np.sort(first)]


def _outline(head: np.ndarray, c2w: np.ndarray, lens: np.ndarray, depth: float) -> np.ndarray:
    """The outline of a mask, bool [H, W], on the plane z = depth of the head frame: [N, 3], at most 300."""
    contours, _ = cv2.findContours(head.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pixels = max(contours, key=len)[:, 0].astype(float) + 0.5
    pixels = pixels[:: max(1, len(pixels) // 300)]
    rays = np.stack([(pixels[:, 0] - lens[2]) / lens[0], -(pixels[:, 1] - lens[3]) / lens[1]], axis=1)
    rays = np.concatenate([rays, -np.ones((len(rays), 1))], axis=1) @ c2w[:3, :3].T
    return c2w[:3, 3] + rays * ((depth - c2w[2, 3]) / rays[:, 2:])


def _pixels(
    places: np.ndarray, c2w: np.ndarray, lens: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of the pixels where a camera sees places [N, 3]; which of them are beside the picture, where it
    is the nearest pixel."""
    local = (places - c2w[:3, 3]) @ c2w[:3, :3]
    x = lens[0] * local[:, 0] / -local[:, 2] + lens[2]
    y = -lens[1] * local[:, 1] / -local[:, 2] + lens[3]
    beside = (x < 0) | (y < 0) | (x >= shape[1]) | (y >= shape[0])
    return np.clip(y.astype(int), 0, shape[0] - 1), np.clip(x.astype(int), 0, shape[1] - 1), beside


def _near(places: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Places at mouth and eyes: bool [N]."""
    result = np.zeros(len(places), bool)
    for points in (mean[MOUTH], mean[36:42], mean[42:48]):
        low, high = points[:, :2].min(axis=0) - 0.03, points[:, :2].max(axis=0) + 0.03
        result |= ((places[:, :2] > low) & (places[:, :2] < high)).all(axis=1)
    return result


def _between_lips(places: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Places before the mouth's inside, where the mean face's lips stand open: bool [N]."""
    (upper_x, upper_y), (lower_x, lower_y) = (mean[[60, *lip, 64], :2].T for lip in (INNER_UPPER_LIP, INNER_LOWER_LIP))
    x, y = places[:, 0], places[:, 1]
    below = y < np.interp(x, upper_x, upper_y, left=-np.inf, right=-np.inf)
    return below & (y > np.interp(x, lower_x, lower_y))


def _inside(mean: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Places in the mouth: [INSIDE, 3]."""
    lips = mean[MOUTH]
    middle, half = lips.mean(axis=0), np.ptp(lips, axis=0) / 2
    offsets = generator.uniform(-1, 1, (INSIDE, 2)) * [half[0] * 0.85, half[1] * 0.9]
    depth = middle[2] - generator.uniform(*DEEP, (INSIDE, 1))
    return np.concatenate([middle[:2] + offsets, depth], axis=1)
