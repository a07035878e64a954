"""The frames of a capture as uint8 arrays at the training size, one whole frame at a time."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.labels import HEAD, TORSO
from geneface_ns.capture_format.pictures import read_png


class Frame(NamedTuple):
    """One frame at the store's size, all uint8."""

    image: np.ndarray
    """[H, W, 3] RGB."""
    underlay: np.ndarray
    """[H, W, 4]: in RGB the real picture where there is no head, the filled-in torso over the background behind it;
    last, how much of the pixel is torso that lies before the head, as a collar before the neck."""
    head: np.ndarray
    """[H, W]: how much of the pixel is head, 0 to 255."""


class FrameStore:
    """Frames of a capture, reduced by a whole factor."""

    def __init__(self, capture: Capture, downscale: int = 1) -> None:
        """
        Args:
            downscale: whole factor by which width and height are reduced (area mean).
        """
        self.capture = capture
        self.downscale = downscale
        self.size = (capture.width // downscale, capture.height // downscale)
        """Width and height in pixels."""
        self._background: np.ndarray | None = None

    def frame(self, index: int) -> Frame:
        """Frame `index` of the capture.

        Raises:
            InputError: one of its files is missing or unreadable.
        """
        layout = self.capture.layout
        if self._background is None:
            self._background = read_png(layout.background)
        image, labels, torso = (read_png(path(index)) for path in (layout.image, layout.mask, layout.torso))
        is_head = labels == HEAD
        hidden = torso[is_head]
        alpha = hidden[:, 3:].astype(np.float32) / 255
        underlay = np.dstack([image, (labels == TORSO) * np.uint8(255)])
        underlay[is_head, :3] = (hidden[:, :3] * alpha + self._background[is_head] * (1 - alpha) + 0.5).astype(np.uint8)
        return Frame(self._reduce(image), self._reduce(underlay), self._reduce(is_head.astype(np.uint8) * 255))

    def _reduce(self, pixels: np.ndarray) -> np.ndarray:
        if self.downscale == 1:
            return pixels
        factor, (width, height) = self.downscale, self.size
        whole = pixels[: height * factor, : width * factor]
        return cv2.resize(whole, self.size, interpolation=cv2.INTER_AREA)
