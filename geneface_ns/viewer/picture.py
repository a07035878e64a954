"""One picture of a performance, as a browser is shown it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal

import cv2
import numpy as np
import torch

from audio_motion.topology import JAW, MOUTH
from geneface_ns.capture_format.person import Person
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.motion.eyes import with_eyes
from geneface_ns.motion.sequence import MotionFrame, own_eyes
from geneface_ns.output.backgrounds import backgrounds
from geneface_ns.output.finish import Frame, as_rendered, cover, over
from geneface_ns.renderers.contract import Layers, Renderer
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import body_in_image_units
from geneface_ns.viewer.performance import Performance

Pose = Literal["as filmed", "still", "free camera"]
Layer = Literal["everything", "head alone", "opacity", "depth"]

BESIDE = (24, 24, 27)
"""Colour of what a window shows beside the picture."""
MARK = (80, 255, 120)
"""Colour of landmarks."""
QUALITY = 92
"""Of the JPEG."""


@dataclass(frozen=True)
class View:
    """A camera anywhere."""

    c2w: tuple[float, ...]
    """16 numbers, row by row: camera (OpenGL) to head frame."""
    fov: float
    """Vertical, radians."""
    aspect: float
    """Width over height."""


@dataclass(frozen=True)
class Backdrop:
    """What stands behind the person instead of what was filmed."""

    name: str
    """Equal names, equal pictures."""
    pixels: np.ndarray = field(compare=False, repr=False)
    """uint8 [H, W, 3] of any size; its middle covers the picture."""


def backdrop_of(background: str, size: tuple[int, int]) -> Backdrop:
    """What `geneface render --background` shows behind the first frame.

    Args:
        background: `#rrggbb`, or the path of a picture.
        size: width and height of the pictures, px.

    Raises:
        InputError: see `output.backgrounds.backgrounds`.
    """
    return Backdrop(background, next(backgrounds(background, size, 25.0)))


@dataclass(frozen=True)
class Look:
    """How a performance is shown; pictures of the same frame and look are the same."""

    size: tuple[int, int]
    """Width and height, px."""
    pose: Pose = "as filmed"
    """The head's: as it moved, or held. The torso is only right near the capture's own camera."""
    held: int = 0
    """Where a head that is held stands: as in this frame of the person's own video."""
    view: View | None = None
    """Where a free camera stands."""
    shown: Layer = "everything"
    background: Backdrop | None = None
    """None: what was filmed; black behind the head alone."""
    mouth: float = 1.0
    """Amplitude of mouth and jaw about the mean face."""
    blinks: bool = True
    landmarks: bool = False
    """Drawn over the face."""
    beside: bool = False
    """The real frame on the left, where there is one."""


def paint(renderer: Renderer, person: Person, performance: Performance, index: int, look: Look) -> np.ndarray:
    """Frame `index` of a performance: uint8 [H, W, 3]."""
    c2w, body = (
        performance.pose_at(index) if look.pose == "as filmed" else (person.c2w[look.held], person.body[look.held])
    )
    motion = moved(performance.frames[index], person, look)
    camera, view = renderer.camera.scaled_to(look.size), None
    if look.pose == "free camera" and look.view is not None:
        camera, view = seen_through(look.view, look.size[1]), np.array(look.view.c2w, np.float32).reshape(4, 4)

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.asarray(array, np.float32), device=renderer.device)

    with torch.inference_mode():
        condition = Condition(
            *(tensor(motion.landmarks)[None], tensor(motion.eye_openness)[None], tensor(c2w)[None]),
            body_in_image_units(tensor(body)[None], *renderer.capture_size),
        )
        layers = renderer.render(condition, camera, None if view is None else tensor(view))
        picture = np.ascontiguousarray(_chosen(layers, look))
    if look.landmarks:
        mark(picture, motion.landmarks, camera, c2w if view is None else view)
    if look.beside and performance.filmed and (real := real_frame(person, index, look.size)) is not None:
        picture = np.concatenate([real, picture], axis=1)
    return picture


def moved(motion: MotionFrame, person: Person, look: Look) -> MotionFrame:
    """A frame's motion with the mouth's amplitude and the blinks that are wanted."""
    landmarks, eyes = motion
    if look.mouth != 1.0:
        landmarks = landmarks.copy()
        for part in (JAW, MOUTH):
            mean = person.mean_landmarks[part]
            landmarks[part] = mean + look.mouth * (landmarks[part] - mean)
    if not look.blinks:
        eyes = own_eyes(person).open.astype(np.float32)
        landmarks = with_eyes(landmarks[None], eyes[None], person.mean_landmarks)[0]
    return MotionFrame(landmarks, eyes)


def _chosen(layers: Layers, look: Look) -> np.ndarray:
    """What is to be seen of the layers: uint8 [H, W, 3]."""
    if look.shown == "opacity":
        return _grey(layers.opacity)
    if look.shown == "depth":
        inside = layers.depth[layers.opacity > 0.5]
        near, far = (inside.min(), inside.max()) if len(inside) else (layers.depth.min(), layers.depth.max())
        return _grey((1 - (layers.depth - near) / (far - near).clamp_min(1e-6)) * layers.opacity)
    if look.shown == "everything" and look.background is None:
        return as_rendered(layers)
    size = layers.rgb.shape[1], layers.rgb.shape[0]
    black = np.zeros((size[1], size[0], 3), np.uint8)
    behind = black if look.background is None else cover(look.background.pixels, size)
    if look.shown == "head alone":
        layers = layers._replace(person=torch.cat([layers.head, layers.opacity], dim=-1).clamp(0, 1))
    return over(Frame.around(size, None), repeat(behind))(layers)


def _grey(values: torch.Tensor) -> np.ndarray:
    """[H, W, 1] in [0, 1] as uint8 [H, W, 3]."""
    return (values.expand(-1, -1, 3).clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()


def mark(picture: np.ndarray, landmarks: np.ndarray, camera: Pinhole, c2w: np.ndarray) -> None:
    """Draw landmarks [68, 3] where a camera sees them into a picture [H, W, 3]."""
    x, y, z = ((landmarks - c2w[:3, 3]) @ c2w[:3, :3]).T
    radius = max(1, round(picture.shape[0] / 256))
    for column, row, depth in zip(
        x / -z * camera.focal[0] + camera.centre[0], y / z * camera.focal[1] + camera.centre[1], z, strict=True
    ):
        if depth < 0 and abs(column) < 1e4 and abs(row) < 1e4:
            cv2.circle(picture, (int(column), int(row)), radius, MARK, -1, cv2.LINE_AA)


def real_frame(person: Person, index: int, size: tuple[int, int]) -> np.ndarray | None:
    """The capture's own picture of a frame, uint8 [H, W, 3]; None where its files are not at hand."""
    layout = getattr(person, "layout", None)
    if layout is None or not layout.image(index).is_file():
        return None
    return cv2.resize(read_png(layout.image(index))[..., :3], size, interpolation=cv2.INTER_AREA)


def seen_through(view: View, height: int) -> Pinhole:
    """A free camera's lens, for pictures of that height; their width is even, as videos want it."""
    size = max(2, 2 * round(min(height * view.aspect, 4 * height) / 2)), height
    focal = height / (2 * math.tan(view.fov / 2))
    return Pinhole((focal, focal), (size[0] / 2, height / 2), size)


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
