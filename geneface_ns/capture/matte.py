"""Which pixels are the person: mediapipe's selfie segmentation, brought to the picture's own edges."""

from __future__ import annotations

import cv2
import numpy as np


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
    """Move a matte's edges onto the picture's with a guided filter (He, Sun and Tang, TPAMI 2013), luminance as guide.

    uint8 RGB [H, W, 3], float32 [H, W] -> uint8 [H, W].
    """
    guide = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) * np.float32(1 / 255)
    radius = max(2, round(max(matte.shape) / 100))
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(x, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_matte = mean(guide), mean(matte)
    slope = (mean(guide * matte) - mean_guide * mean_matte) / (mean(guide * guide) - mean_guide**2 + np.float32(4e-4))
    offset = mean_matte - slope * mean_guide
    refined = mean(slope) * guide + mean(offset)
    # The filter leaves a veil of the guide's texture: steepen about one half.
    return np.clip((refined - 0.5) * (1.6 * 255) + 127.5, 0, 255).astype(np.uint8)


def _touches_edge(stat: np.ndarray, shape: tuple[int, ...]) -> bool:
    x, y, width, height = stat[:4]
    return bool(x == 0 or y == 0 or x + width == shape[1] or y + height == shape[0])
