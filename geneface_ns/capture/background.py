"""The scene without the person."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from geneface_ns.capture.fill import fill_smoothly, seen_median

FAR = 0.02
"""Distance from the person, in picture sizes, at which a background pixel is trusted first."""


def choose_frames(person: np.ndarray, kept: int) -> np.ndarray:
    """Frames that together see most of the scene: half spread evenly, half those that add what is seen least.

    Args:
        person: uint8 [N, h, w] small mattes of candidate frames.

    Returns:
        int [min(kept, N)] ascending.
    """
    count = len(person)
    if count <= kept:
        return np.arange(count)
    chosen = list(np.unique(np.linspace(0, count - 1, kept // 2).round().astype(int)))
    free = (person < 64).reshape(count, -1)
    times = free[chosen].sum(axis=0)
    while len(chosen) < kept:
        gain = free.astype(np.float32) @ (1.0 / (1.0 + times.astype(np.float32)) ** 2)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        times += free[best]
    return np.sort(np.array(chosen))


def clean_background(
    frames: np.ndarray, read: Callable[[int], tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Median of the background over chosen frames, the never seen filled in from around it.

    Args:
        frames: int [K].
        read: frame -> uint8 RGB [H, W, 3] and matte [H, W].

    Returns:
        uint8 [H, W, 3], and bool [H, W]: where it was really seen.
    """
    pictures, distances = [], []
    for frame in frames:
        picture, matte = read(int(frame))
        pictures.append(picture)
        away = cv2.distanceTransform((matte < 32).astype(np.uint8), cv2.DIST_L2, 3)
        distances.append(np.clip(away, 0, 255).astype(np.uint8))
    stack, away = np.stack(pictures), np.stack(distances)
    far = FAR * max(stack.shape[1:3])
    result, seen = np.zeros(stack.shape[1:], np.uint8), np.zeros(stack.shape[1:3], bool)
    # Far from the person first (no hair, no shadow); what only nearer frames saw, from those.
    for distance, least in ((far, 3), (far / 2, 2), (2.0, 1)):
        median, count = seen_median(stack, away > distance)
        new = ~seen & (count >= least)
        result[new] = median[new]
        seen |= new
    return fill_smoothly(result, seen), seen
