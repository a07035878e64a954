"""A face that moves, as a stream of frames; memory does not grow with length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from geneface_ns.capture_format.person import Person
from geneface_ns.motion.camera_path import CameraPath, focal_length
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.trajectory import Trajectory
from geneface_ns.output.finish import Finish, as_rendered
from geneface_ns.renderers.contract import Layers, Renderer
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition, ConditionTable
from geneface_ns.scene.pose import body_in_image_units


class View(NamedTuple):
    """What is rendered of a frame."""

    camera: Pinhole
    """The capture's own at some size, or a part of its picture."""
    wanted: np.ndarray | None = None
    """bool [H, W]: the pixels that are asked for; None: all."""


def condition_of(
    c2w: np.ndarray,
    body: np.ndarray,
    motion: MotionFrame,
    capture_size: tuple[int, int],
    device: torch.device,
) -> Condition:
    """What drives one frame.

    Args:
        c2w: [4, 4] camera to head frame.
        body: [2, 3] the torso's affine motion, capture pixels (docs/conventions.md).
        motion: the face.
        capture_size: width and height of the capture, px.
        device: of the result.
    """
    given = motion.landmarks, motion.eye_openness, c2w, body
    landmarks, eyes, pose, moved = (_tensor(array, device)[None] for array in given)
    return Condition(landmarks, eyes, pose, body_in_image_units(moved, *capture_size))


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(np.asarray(array, np.float32), device=device)


def conditions_of(
    trajectory: Trajectory,
    motion: Iterable[MotionFrame],
    fps: float,
    capture_size: tuple[int, int],
    device: torch.device,
) -> Iterator[Condition]:
    """What drives each frame of a face that moves as `motion` says while head and body follow `trajectory`.

    Args:
        trajectory: head pose and body over time; replayed to and fro.
        motion: one face a frame, taken one at a time.
        fps: of `motion`, and so of the frames.
        capture_size, device: as `condition_of`.
    """
    for index, face in enumerate(motion):
        yield condition_of(*trajectory.at(index / fps), face, capture_size, device)


def render_layers(
    renderer: Renderer,
    c2w: np.ndarray,
    body: np.ndarray,
    motion: MotionFrame,
    camera: Pinhole,
    underlay: np.ndarray | None = None,
    wanted: np.ndarray | None = None,
) -> Layers:
    """One frame, or a part of it, as the capture's camera sees it.

    Args:
        c2w: [4, 4] camera to head frame.
        body: [2, 3] the torso's affine motion, capture pixels (docs/conventions.md).
        motion: the face.
        camera: the capture's own at the size wanted, or a part of its picture.
        underlay: uint8 [H, W, 4] as `lay_over` takes it: instead of the rendered torso.
        wanted: bool [H, W]: the pixels that are asked for; None: all.
    """

    with torch.inference_mode():
        condition = condition_of(c2w, body, motion, renderer.capture_size, renderer.device)
        return renderer.render(
            condition,
            camera,
            underlay=None if underlay is None else _tensor(underlay, renderer.device) / 255,
            wanted=None if wanted is None else torch.from_numpy(wanted),
        )


def render_one(
    renderer: Renderer,
    c2w: np.ndarray,
    body: np.ndarray,
    motion: MotionFrame,
    size: tuple[int, int],
    underlay: np.ndarray | None = None,
) -> np.ndarray:
    """One frame of that width and height, uint8 [H, W, 3]; else as `render_layers`."""
    return as_rendered(render_layers(renderer, c2w, body, motion, renderer.camera.scaled_to(size), underlay))


def drive(
    renderer: Renderer,
    trajectory: Trajectory,
    motion: Iterable[MotionFrame],
    fps: float,
    view: tuple[int, int] | Callable[[int], View],
    first: int = 0,
    finish: Finish = as_rendered,
) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, C] of a face that moves as `motion` says while head and body follow `trajectory`.

    Args:
        renderer: renders one frame.
        trajectory: head pose and body over time; replayed to and fro.
        motion: one face a frame, taken one at a time.
        fps: of `motion`, and so of the frames.
        view: width and height to render at, px; or what part of the picture is rendered of each frame.
        first: number of the frame to begin with; the motion before it is taken and not shown.
        finish: what becomes of each frame's layers, in order.
    """
    for index, face in islice(enumerate(motion), first, None):
        c2w, body = trajectory.at(index / fps)
        camera, wanted = view(index) if callable(view) else View(renderer.camera.scaled_to(view))
        yield finish(render_layers(renderer, c2w, body, face, camera, wanted=wanted))


def drive_past(
    renderer: Renderer,
    cameras: CameraPath,
    person: Person,
    motion: Iterable[MotionFrame],
    size: tuple[int, int],
    first: int = 0,
    finish: Finish = as_rendered,
) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, C] of a face that moves as `motion` says, seen by a free camera; head pose and body are those
    of the times that the camera path names.

    Args:
        renderer: renders one frame.
        cameras: one a frame; replayed to and fro.
        person: who is shown.
        motion: one face a frame, taken one at a time.
        size: width and height to render at, px.
        first: number of the frame to begin with; the motion before it is taken and not shown.
        finish: what becomes of each frame's layers, in order.
    """
    table = ConditionTable(person).to(renderer.device)
    for index, face in islice(enumerate(motion), first, None):
        c2w, fov, time = cameras.at(index)
        focal = focal_length(fov, size[1])
        view = Pinhole((focal, focal), (size[0] / 2, size[1] / 2), size)
        with torch.inference_mode():
            condition = table(torch.tensor([time], device=renderer.device))._replace(
                landmarks=torch.as_tensor(face.landmarks, device=renderer.device)[None],
                eye_openness=torch.as_tensor(face.eye_openness, device=renderer.device)[None],
            )
            layers = renderer.render(condition, view, torch.as_tensor(c2w, device=renderer.device))
        yield finish(layers)
