"""From the layers of a rendered frame to the frame that is written: over what, how large, with which label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:  # where pictures are read with little memory there is no room for torch
    from geneface_ns.renderers.contract import Layers

Finish = Callable[["Layers"], np.ndarray]
"""Takes one frame's layers after the other; gives uint8 [H, W, 3], or [H, W, 4] with straight alpha."""

LABEL = "AI-generated"
LABEL_HEIGHT = 0.03
"""Of the label's letters, in picture heights."""
BLUR = 0.04
"""Deviation of the blur of what fills the bars, in picture sizes."""
SHRUNK = 8
"""Factor by which that is made smaller: blurred, it has no more to show."""


@dataclass(frozen=True)
class Frame:
    """A frame that the person's picture is placed in: as large as fits, in the middle, on the lower edge."""

    size: tuple[int, int]
    """Width and height, px."""
    inner: tuple[int, int]
    """Of the person's picture."""

    @staticmethod
    def around(picture: tuple[int, int], size: tuple[int, int] | None) -> Frame:
        """The frame of `size` (None: the picture's own) around a picture of that aspect, width and height each."""
        if size is None:
            return Frame(picture, picture)
        scale = min(size[0] / picture[0], size[1] / picture[1])
        width, height = (max(1, round(side * scale)) for side in picture)
        return Frame(size, (min(width, size[0]), min(height, size[1])))

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture. It rests on the lower edge, where its torso is cut off."""
        left = (self.size[0] - self.inner[0]) // 2
        return slice(self.size[1] - self.inner[1], self.size[1]), slice(left, left + self.inner[0])


def as_rendered(layers: Layers) -> np.ndarray:
    """The picture as it is, uint8 [H, W, 3]."""
    return (layers.rgb * 255 + 0.5).byte().cpu().numpy()


def as_filmed(frame: Frame) -> Finish:
    """The picture with its own background; bars beside it are filled with the picture itself, enlarged and blurred."""
    if frame.inner == frame.size:
        return as_rendered

    def finish(layers: Layers) -> np.ndarray:
        picture = as_rendered(layers)
        whole = out_of_focus(picture, frame.size)
        whole[frame.window] = picture
        return whole

    return finish


def over(frame: Frame, backgrounds: Iterator[np.ndarray]) -> Finish:
    """The person over other pictures, uint8 [H, W, 3] of the frame's size, one a frame."""

    def finish(layers: Layers) -> np.ndarray:
        whole = next(backgrounds).copy()
        person = person_of(layers)
        behind = whole[frame.window]
        whole[frame.window] = (person[..., :3] * 255 + (1 - person[..., 3:]) * behind + 0.5).astype(np.uint8)
        return whole

    return finish


def over_nothing(frame: Frame) -> Finish:
    """The person alone, with straight alpha."""

    def finish(layers: Layers) -> np.ndarray:
        whole = np.zeros((frame.size[1], frame.size[0], 4), np.uint8)
        whole[frame.window] = straight(person_of(layers))
        return whole

    return finish


def marked(finish: Finish) -> Finish:
    """The same with a small label in the lower right corner that says how the picture came about."""

    def mark(layers: Layers) -> np.ndarray:
        return with_label(finish(layers))

    return mark


def with_label(frame: np.ndarray) -> np.ndarray:
    """A frame, uint8 [H, W, 3 or 4], with the label in its corner."""
    height, width = frame.shape[:2]
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(height / 400))
    (across, up), _ = cv2.getTextSize(LABEL, font, 1.0, thick)
    scale = min(max(8.0, LABEL_HEIGHT * height) / up, 0.9 * width / across)
    (across, up), down = cv2.getTextSize(LABEL, font, scale, thick)
    room = round(0.5 * up)
    rows, columns = (
        slice(max(0, height - up - down - 3 * room), height - room),
        slice(max(0, width - across - 3 * room), width - room),
    )
    frame = frame.copy()
    box = np.ascontiguousarray(frame[rows, columns])
    box[..., :3] //= 2
    box[..., 3:] = np.maximum(box[..., 3:], 128)
    white = (255,) * frame.shape[2]
    cv2.putText(box, LABEL, (room, box.shape[0] - down - room // 2), font, scale, white, thick, cv2.LINE_AA)
    frame[rows, columns] = box
    return frame


def person_of(layers: Layers) -> np.ndarray:
    """float32 [H, W, 4] in [0, 1]: the person, premultiplied."""
    assert layers.person is not None
    return layers.person.float().cpu().numpy()


def straight(premultiplied: np.ndarray) -> np.ndarray:
    """uint8 RGBA [H, W, 4] with straight alpha of float32 [H, W, 4] with premultiplied colour.

    Colours go on beyond the outline, where nothing of them is seen: encoders mix neighbouring colours, and what they
    mix in must not be black.
    """
    alpha = premultiplied[..., 3:]
    near = cv2.GaussianBlur(premultiplied, (0, 0), max(1.0, 0.01 * max(premultiplied.shape)))
    mean = premultiplied.reshape(-1, 4).sum(axis=0)
    spread = (near[..., :3] + 1e-3 * mean[:3] / max(mean[3], 1e-6)) / (near[..., 3:] + 1e-3)
    colour = np.where(alpha > 0.02, premultiplied[..., :3] / np.maximum(alpha, 0.02), spread)
    return (np.concatenate([colour, alpha], axis=2).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def cover(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 [h, w, 3], scaled so that it just covers `size` (width, height), its middle: [H, W, 3]."""
    height, width = picture.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    if scale != 1:
        wanted = (max(size[0], round(width * scale)), max(size[1], round(height * scale)))
        picture = cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (picture.shape[0] - size[1]) // 2, (picture.shape[1] - size[0]) // 2
    return np.ascontiguousarray(picture[top : top + size[1], left : left + size[0]])


def out_of_focus(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 [h, w, 3], that covers `size` (width, height), blurred: [H, W, 3]."""
    small = cover(picture, (-(-size[0] // SHRUNK), -(-size[1] // SHRUNK)))
    small = cv2.GaussianBlur(small, (0, 0), max(1.0, BLUR * max(small.shape)))
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
