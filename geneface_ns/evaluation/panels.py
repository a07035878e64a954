"""Pictures beside each other, each under its name."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

SMALLEST = 256
"""Pixels: smaller pictures are enlarged by a whole factor to at least this width, so that names fit over them."""
STRIP = 24
"""Height of the strip that the names stand in, pixels."""


def side_by_side(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Named uint8 RGB pictures [H, W, 3] of one size -> one uint8 picture, left to right in the mapping's order."""
    return np.concatenate([_panel(name, picture) for name, picture in pictures.items()], axis=1)


def _panel(name: str, picture: np.ndarray) -> np.ndarray:
    factor = -(-SMALLEST // picture.shape[1])
    large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    strip = np.full((STRIP, large.shape[1], 3), 32, np.uint8)
    cv2.putText(strip, name, (6, STRIP - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([strip, large])
