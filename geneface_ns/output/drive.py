"""A face that moves, as a stream of frames; memory does not grow with length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch

from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.trajectory import Trajectory
from geneface_ns.renderers.contract import Renderer
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import body_in_image_units


def render_one(
    renderer: Renderer,
    c2w: np.ndarray,
    body: np.ndarray,
    motion: MotionFrame,
    size: tuple[int, int],
    underlay: np.ndarray | None = None,
) -> np.ndarray:
    """One frame as the capture's camera sees it.

    Args:
        c2w: [4, 4] camera to head frame.
        body: [2, 3] the torso's affine motion, capture pixels (docs/conventions.md).
        motion: the face.
        size: width and height of the picture wanted.
        underlay: uint8 [H, W, 4] as `lay_over` takes it: instead of the rendered torso.

    Returns:
        uint8 [H, W, 3].
    """

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.asarray(array, np.float32), device=renderer.device)

    with torch.inference_mode():
        condition = Condition(
            tensor(motion.landmarks)[None],
            tensor(motion.eye_openness)[None],
            tensor(c2w)[None],
            body_in_image_units(tensor(body)[None], *renderer.capture_size),
        )
        layers = renderer.render(
            condition,
            renderer.camera.scaled_to(size),
            underlay=None if underlay is None else tensor(underlay) / 255,
        )
        return (layers.rgb * 255 + 0.5).to(torch.uint8).cpu().numpy()


def drive(
    renderer: Renderer,
    trajectory: Trajectory,
    motion: Iterable[MotionFrame],
    fps: float,
    size: tuple[int, int],
    first: int = 0,
) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] of a face that moves as `motion` says while head and body follow `trajectory`.

    Args:
        renderer: renders one frame.
        trajectory: head pose and body over time; replayed to and fro.
        motion: one face a frame, taken one at a time.
        fps: of `motion`, and so of the frames.
        size: width and height, px.
        first: number of the frame to begin with; the motion before it is taken and not shown.
    """
    for index, face in islice(enumerate(motion), first, None):
        c2w, body = trajectory.at(index / fps)
        yield render_one(renderer, c2w, body, face, size)
