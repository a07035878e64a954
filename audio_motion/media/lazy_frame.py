"""A decoded picture that is turned into RGB only as far as it is looked at: that costs ten times what decoding does
(H.264 at 2160p on two cores: 37 and 3 ms a frame)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple, cast

import av
import cv2
import numpy as np
from av.buffer import Buffer
from av.filter import Graph
from av.video.frame import VideoFrame

from audio_motion.errors import InputError
from audio_motion.media.colour import ColourConverter, colour_matrix
from audio_motion.media.container import reason

_MARGIN = 16
"""Pixels that are converted around a part, a multiple of what chroma is halved to: its bicubic filter reads them."""


class Orientation(NamedTuple):
    """How a stored picture is brought upright: rows become columns, then it is flipped."""

    transpose: bool = False
    mirror: bool = False
    """Left to right, after the transposition."""
    upend: bool = False
    """Top to bottom, after the transposition."""

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """What the frame's display matrix asks for."""
        side = frame.side_data.get("DISPLAYMATRIX")
        if side is None:
            return cls()
        # A stored point (x, y) is shown at (a x + c y, b x + d y); cameras turn by quarters.
        a, b, _, c, d = np.frombuffer(bytes(cast("Buffer", side)), np.int32)[:5].astype(float)
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def clockwise(self, degrees: int) -> Orientation:
        """This, and then a turn by 0, 90, 180 or 270 degrees."""
        turned = self
        for _ in range(degrees // 90 % 4):
            turned = Orientation(not turned.transpose, not turned.upend, turned.mirror)
        return turned

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """A stored picture [H, W, 3], upright."""
        if self.transpose:
            rgb = rgb.transpose(1, 0, 2)
        return np.ascontiguousarray(rgb[:: -1 if self.upend else 1, :: -1 if self.mirror else 1])

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a stored picture of that size, upright; and the other way round."""
        return (height, width) if self.transpose else (width, height)

    def stored(self, box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Where x, y, width, height of the upright picture lie in the stored one; size: of the upright one."""
        x, y, width, height = box
        x = size[0] - x - width if self.mirror else x
        y = size[1] - y - height if self.upend else y
        return (y, x, height, width) if self.transpose else (x, y, width, height)


class Converter:
    """What turns decoded pictures of one stream into RGB, whole or in part. Raises InputError where FFmpeg cannot."""

    def __init__(self, path: Path) -> None:
        self._path, self._colours = path, ColourConverter()
        self._parts: dict[tuple, Graph] = {}

    def scaled(self, frame: VideoFrame, width: int, height: int, matrix: int | None = None) -> np.ndarray:
        """uint8 RGB [height, width, 3], as stored."""
        try:
            return self._colours(frame, width, height, matrix)
        except av.FFmpegError as error:
            raise InputError(
                f"{self._path}: its pictures cannot be converted ({reason(error)}); encode it again"
            ) from error

    def part(self, frame: VideoFrame, box: tuple[int, int, int, int]) -> np.ndarray:
        """uint8 RGB of x, y, width, height: to the bit what `scaled` gives there at the frame's own size."""
        x, y, width, height = box
        left, top = (max(0, at - at % _MARGIN - _MARGIN) for at in (x, y))
        right = min(frame.width, -(-(x + width) // _MARGIN) * _MARGIN + _MARGIN)
        bottom = min(frame.height, -(-(y + height) // _MARGIN) * _MARGIN + _MARGIN)
        matrix = colour_matrix(frame)
        if _divisible(frame):
            frame = self._cut(frame, (left, top, right - left, bottom - top))
        else:
            left = top = 0
        rgb = self.scaled(frame, frame.width, frame.height, matrix)
        return rgb[y - top : y - top + height, x - left : x - left + width]

    def _cut(self, frame: VideoFrame, box: tuple[int, int, int, int]) -> VideoFrame:
        if box == (0, 0, frame.width, frame.height):
            return frame
        kind = (frame.width, frame.height, frame.format.name, box)
        graph = self._parts.get(kind)
        if graph is None:
            graph, (x, y, width, height) = Graph(), box
            graph.link_nodes(
                graph.add_buffer(
                    width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
                ),
                graph.add("crop", f"{width}:{height}:{x}:{y}:exact=1"),
                graph.add("buffersink"),
            ).configure()
            self._parts = {kind: graph}
        graph.vpush(frame)
        return cast("VideoFrame", graph.vpull())


def _divisible(frame: VideoFrame) -> bool:
    """Whether a part comes out as in the whole: packed formats may have to be converted to be cut, and where the size
    is no multiple of what chroma is reduced by, chroma is stretched over all of it."""
    kind = frame.format
    across, down = (16 // reduced(16) for reduced in (kind.chroma_width, kind.chroma_height))
    return kind.is_planar and frame.width % across == 0 and frame.height % down == 0


class LazyFrame:
    """One frame of a video: upright, square pixels, BT.709's colours (see `audio_motion.media.picture.read_frames`)."""

    def __init__(
        self,
        frame: VideoFrame,
        convert: Converter,
        stored: tuple[int, int],
        orientation: Orientation,
        size: tuple[int, int] | None = None,
    ) -> None:
        """
        Args:
            stored: width and height of the frame with square pixels, not turned.
            size: width and height that frames of the video have, upright; None for the frame's own.
        """
        self._frame, self._convert, self._stored, self._orientation = frame, convert, stored, orientation
        own = orientation.size(*stored)
        self.size = size or own
        """Width and height."""
        self._as_others = own == self.size

    @cached_property
    def rgb(self) -> np.ndarray:
        """uint8 [H, W, 3].

        Raises:
            InputError: it cannot be converted.
        """
        return _fitted(self._orientation.apply(self._convert.scaled(self._frame, *self._stored)), self.size)

    def part(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """rgb[y : y + height, x : x + width], for the cost of the part. Raises InputError as `rgb`."""
        own = (self._frame.width, self._frame.height)
        if "rgb" in self.__dict__ or not self._as_others or self._stored != own:
            return self.rgb[y : y + height, x : x + width]
        box = self._orientation.stored((x, y, width, height), self.size)
        return self._orientation.apply(self._convert.part(self._frame, box))

    def shrunk(self, longest: int) -> np.ndarray:
        """uint8 [h, w, 3], the longer side at most that many pixels. Raises InputError as `rgb`."""
        scale = longest / max(self.size)
        if scale >= 1 or not self._as_others:
            small = (max(1, round(side * min(1.0, scale))) for side in self.size)
            return cv2.resize(self.rgb, tuple(small), interpolation=cv2.INTER_AREA)
        width, height = (max(1, round(side * scale)) for side in self._stored)
        return self._orientation.apply(self._convert.scaled(self._frame, width, height))


def _fitted(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame in the size (width, height) of the others: a stream may change its resolution midway. One of another
    shape is put in the middle of black."""
    width, height = size
    if rgb.shape[:2] == (height, width):
        return rgb
    scale = min(width / rgb.shape[1], height / rgb.shape[0])
    inner = (min(width, max(1, round(rgb.shape[1] * scale))), min(height, max(1, round(rgb.shape[0] * scale))))
    small = cv2.resize(rgb, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    whole = np.zeros((height, width, 3), np.uint8)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    whole[y : y + inner[1], x : x + inner[0]] = small
    return whole
