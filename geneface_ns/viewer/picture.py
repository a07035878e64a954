"""One picture of a performance, as a browser is shown it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geneface_ns.output.drive import render_one
from geneface_ns.renderers.contract import Renderer
from geneface_ns.viewer.performance import Performance

BESIDE = (24, 24, 27)
"""Colour of what a window shows beside the picture."""
QUALITY = 92
"""Of the JPEG."""


@dataclass(frozen=True)
class Look:
    """How a performance is shown; pictures of the same look and frame are the same."""

    size: tuple[int, int]
    """Width and height, px."""


def paint(renderer: Renderer, performance: Performance, index: int, look: Look) -> np.ndarray:
    """Frame `index` of a performance: uint8 [H, W, 3]."""
    c2w, body = performance.pose_at(index)
    return render_one(renderer, c2w, body, performance.frames[index], look.size)


def fit_window(picture: np.ndarray, aspect: float) -> np.ndarray:
    """A picture [H, W, 3] with borders, so that a window of this width over height shows it whole and undistorted."""
    height, width = picture.shape[:2]
    wide, tall = max(width, round(height * aspect)), max(height, round(width / aspect))
    canvas = np.full((tall, wide, 3), BESIDE, np.uint8)
    top, left = (tall - height) // 2, (wide - width) // 2
    canvas[top : top + height, left : left + width] = picture
    return canvas


def encode(picture: np.ndarray) -> bytes:
    """uint8 RGB [H, W, 3] as JPEG."""
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return data.tobytes()
