"""Choosing the part of the picture that holds head and shoulders."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from audio_motion.media import LazyFrame

WIDTHS_ACROSS = 2.4
"""Side of the crop in widths of the face box: hair above, shoulders below and beside."""
LOOK_DOWN = 0.15
"""How far the crop's centre lies below the face's, in face boxes: shoulders need more room than hair."""
NEARLY_ALL = 0.9
"""A crop of this part of the picture's short side is the whole of it."""
NEARLY_SQUARE = 1.2
"""A picture of at most this aspect that needs no crop is kept whole."""
LARGEST_BY_DEFAULT = 512


@dataclass(frozen=True)
class Crop:
    """A rectangle of the source picture and the size it is brought to; pixels."""

    x: int
    y: int
    width: int
    height: int
    out_width: int
    out_height: int

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] -> uint8 [out_height, out_width, 3]."""
        return self._resized(rgb[self.y : self.y + self.height, self.x : self.x + self.width])

    def of(self, frame: LazyFrame) -> np.ndarray:
        """The same of a frame, for the cost of the part."""
        return self._resized(frame.part(self.x, self.y, self.width, self.height))

    def _resized(self, part: np.ndarray) -> np.ndarray:
        if (self.out_width, self.out_height) == (self.width, self.height):
            return np.ascontiguousarray(part)
        shrink = self.out_width < self.width
        return cv2.resize(
            part, (self.out_width, self.out_height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
        )


def choose_crop(boxes: np.ndarray, width: int, height: int, size: int | None) -> Crop:
    """A square around head and shoulders, or the whole of a picture that is little more than those.

    Args:
        boxes: [N, 4] face boxes x0, y0, x1, y1 in pixels over the video (as mediapipe's detector draws them: brows to
            chin, about 1.15 face widths wide).
        width, height: of the picture.
        size: of the result's longer side; None for that of the crop, at most 512.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    face = float(np.median(boxes[:, 2] - boxes[:, 0]))
    low, high = centres.min(axis=0), centres.max(axis=0)
    side = WIDTHS_ACROSS * face + float((high - low).max())
    short = min(width, height)
    if side >= NEARLY_ALL * short:
        side = short
        if max(width, height) <= NEARLY_SQUARE * short:
            return Crop(0, 0, width, height, *_scaled(width, height, size))
    side = round(side)
    x, y = (low + high) / 2 - side / 2
    y += LOOK_DOWN * face
    left, top = round(min(max(x, 0), width - side)), round(min(max(y, 0), height - side))
    return Crop(left, top, side, side, *_scaled(side, side, size))


def _scaled(width: int, height: int, size: int | None) -> tuple[int, int]:
    """Even sides (video encoders want them), the longer one being `size`."""
    scale = (size or min(LARGEST_BY_DEFAULT, max(width, height))) / max(width, height)
    return max(2, int(width * scale + 1e-6) // 2 * 2), max(2, int(height * scale + 1e-6) // 2 * 2)
