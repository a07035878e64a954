"""Which pixels are the person: mediapipe's selfie segmentation, brought to the picture's own edges."""

from __future__ import annotations

import cv2
import numpy as np

REACH = 0.014
"""How far the network's edge may be off, in picture sizes."""
CONTRAST = 25.0
"""Distance of the two sides' colours (of 255, over three channels) at which the picture's edge is half believed."""
MIXED = 2.0
"""How much a side's own variance of colour counts against the contrast."""
STEEPNESS = 1.5
"""Of the share of colour about one half: the colours of hair and cloth vary, what is near either mean is it."""


class PersonSegmenter:
    """Person mattes of frames, one at a time."""

    def __init__(self) -> None:
        import mediapipe as mp

        self._model = mp.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """uint8 RGB [H, W, 3] -> uint8 matte [H, W], 255 person."""
        raw = self._model.process(rgb).segmentation_mask
        return refine_matte(rgb, one_person(raw))


def one_person(matte: np.ndarray) -> np.ndarray:
    """Keep the largest connected part and fill small holes: float32 [H, W] -> float32 [H, W]."""
    small = cv2.resize(matte, (128, 128), interpolation=cv2.INTER_AREA)
    inside = (small > 0.4).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    if len(stats) > 2:
        keep = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        others = ((labels > 0) & (labels != keep)).astype(np.uint8)
        others = cv2.dilate(others, np.ones((3, 3), np.uint8)) & (labels != keep).astype(np.uint8)
        wide = cv2.resize(others, matte.shape[::-1], interpolation=cv2.INTER_NEAREST)
        matte = np.where(wide > 0, np.float32(0), matte)
    _, labels, stats, _ = cv2.connectedComponentsWithStats((small <= 0.4).astype(np.uint8), connectivity=4)
    holes = [i for i in range(1, len(stats)) if stats[i, cv2.CC_STAT_AREA] < 0.005 * small.size]
    holes = [i for i in holes if not _touches_edge(stats[i], small.shape)]
    if holes:
        fill = cv2.dilate(np.isin(labels, holes).astype(np.uint8), np.ones((3, 3), np.uint8))
        wide = cv2.resize(fill, matte.shape[::-1], interpolation=cv2.INTER_NEAREST)
        matte = np.where(wide > 0, np.float32(1), matte)
    return matte


def refine_matte(rgb: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Move a matte's edges onto the picture's.

    Near the edge, a pixel's share of the person is where its colour lies between the mean colours of what is surely
    person and surely scene around it; where those two are alike, the matte stays as it is.

    uint8 RGB [H, W, 3], float32 [H, W] -> uint8 [H, W].
    """
    height, width = matte.shape
    reach = max(2, round(max(matte.shape) * REACH))
    coarse = (max(1, width // 2), max(1, height // 2))
    small = cv2.resize(rgb, coarse, interpolation=cv2.INTER_AREA).astype(np.float32)
    inside = cv2.resize(matte, coarse, interpolation=cv2.INTER_AREA)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach + 1, reach + 1))
    person = cv2.erode((inside > 0.9).astype(np.float32), kernel)
    scene = cv2.erode((inside < 0.1).astype(np.float32), kernel)
    band = (1 - person) * (1 - scene)
    wide = 2 * round(1.25 * reach) + 1
    means = []
    trust, spread = band, np.full(coarse[::-1], CONTRAST**2, np.float32)
    power = (small**2).sum(axis=-1)
    for sure in (person, scene):
        weight = cv2.boxFilter(sure, cv2.CV_32F, (wide, wide))
        sums = cv2.boxFilter(np.dstack([small, power]) * sure[..., None], cv2.CV_32F, (wide, wide))
        sums /= np.maximum(weight, 1e-4)[..., None]
        means.append(sums[..., :3])
        trust = trust * np.minimum(weight * 20, 1)
        # Where one side has many colours (skin, collar and suit meet), its mean says little.
        spread += MIXED * np.maximum(sums[..., 3] - (sums[..., :3] ** 2).sum(axis=-1), 0)
    apart = means[0] - means[1]
    contrast = (apart**2).sum(axis=-1)
    trust = trust * contrast / (contrast + spread)
    # Believed or not: half-beliefs leave veils.
    trust = np.clip((trust - 0.65) * 6, 0, 1)
    packed = np.dstack([means[1], apart / np.maximum(contrast, 1)[..., None], trust])
    packed = cv2.resize(packed, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.clip(((rgb - packed[..., :3]) * packed[..., 3:6]).sum(axis=-1), 0, 1)
    share = np.clip((share - 0.5) * STEEPNESS + 0.5, 0, 1)
    trust = packed[..., 6]
    refined = matte + trust * (share - matte)
    return (cv2.GaussianBlur(refined, (3, 3), 0.6) * 255 + 0.5).astype(np.uint8)


def _touches_edge(stat: np.ndarray, shape: tuple[int, ...]) -> bool:
    x, y, width, height = stat[:4]
    return bool(x == 0 or y == 0 or x + width == shape[1] or y + height == shape[0])
