"""Drawing the rays of a step: in the head stage around the head and the lips, then over the whole picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geneface_ns.capture_format.capture import Capture
from geneface_ns.scene import draws
from geneface_ns.scene.draws import DrawConfig, Rays, RaySource, anywhere, draw_frames, draw_picture
from geneface_ns.scene.prepared import Prepared
from geneface_ns.scene.stages import generator_of
from geneface_ns.scene.truth import Truth, truth_of_head


@dataclass
class HeadDrawConfig(DrawConfig):
    """Where the rays of the head stage lie, too."""

    lips_share: float = 0.25
    """Part of the head's rays drawn from the lips' box: the mouth is small and matters most."""
    picture_share: float = 0.05
    """Part of the head's rays drawn from the whole picture. What a pose shows beside the outline lies far from it at
    another: dots would float there that no ray near the head ever meets."""


def ray_source(capture: Capture, prepared: Prepared, downscale: int) -> RaySource:
    """What a capture's rays are drawn from, on the CPU; the lips are its one box."""
    lips = torch.from_numpy(lips_pixels(capture.lips_box / downscale, prepared.size))
    return draws.ray_source(capture, prepared, downscale, lips[:, None])


def lips_pixels(boxes: np.ndarray, size: tuple[int, int], margin: float = 0.15) -> np.ndarray:
    """Whole pixels around the lips, at least one, inside the picture.

    Args:
        boxes: [F, 4] x0, y0, x1, y1 in pixels.
        size: width and height.
        margin: part of the box's width added on each side.

    Returns:
        int64 [F, 4]; the last row and column do not belong.
    """
    grow = margin * (boxes[:, 2:3] - boxes[:, :1])
    low = np.clip(np.floor(boxes[:, :2] - grow).astype(np.int64), 0, (size[0] - 1, size[1] - 1))
    high = np.clip(np.ceil(boxes[:, 2:] + grow).astype(np.int64), low + 1, size)
    return np.concatenate([low, high], axis=1)


def draw(
    source: RaySource,
    frames: Tensor,
    step: int,
    head_stage: bool,
    config: HeadDrawConfig,
    rank: int = 0,
    purpose: int = 0,
) -> tuple[Rays, Truth]:
    """The rays of a step and what they really look like, on the source's device: see `draw_picture`.

    Args:
        head_stage: whether the head learns.
    """
    if not head_stage:
        return draw_picture(source, frames, step, config, rank, purpose)
    generator = generator_of(source.c2w.device, step, rank, purpose)
    index = draw_frames(source, frames, config, generator)
    each = config.train_num_rays_per_batch // config.frames_per_batch
    in_lips, in_picture = round(each * config.lips_share), round(each * config.picture_share)
    pixel = torch.cat(
        [
            _in_boxes(source.boxes[index, 0], in_lips, source.prepared.size[0], generator),
            anywhere(source.prepared, len(index), in_picture, generator),
            _around_heads(source.prepared, index, each - in_lips - in_picture, generator),
        ],
        dim=1,
    )
    frame, pixel = index.repeat_interleave(each), pixel.reshape(-1)
    packed = draws.looked_up(source.prepared, frame, pixel)
    truth = truth_of_head(packed, config.neck_trust, config.random_underlay, generator)
    return draws.rays_through(source, frame, pixel), truth


def _in_boxes(boxes: Tensor, count: int, width: int, generator: torch.Generator) -> Tensor:
    """Uniform in each box [B, 4]: flat pixels [B, count]."""
    place = torch.rand(2, len(boxes), count, generator=generator, device=boxes.device)
    x = boxes[:, :1] + (place[0] * (boxes[:, 2:3] - boxes[:, :1])).long()
    y = boxes[:, 1:2] + (place[1] * (boxes[:, 3:] - boxes[:, 1:2])).long()
    return y * width + x


def _around_heads(prepared: Prepared, index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Uniform in and around each frame's head: flat pixels [B, count]."""
    begin, end = prepared.frame_from[index, None], prepared.frame_from[index + 1, None]
    place = torch.rand(len(index), count, generator=generator, device=index.device)
    number = torch.minimum(begin + (place * (end - begin)).long(), end - 1)
    run = torch.searchsorted(prepared.run_from, number, right=True) - 1
    return prepared.run_start[run] + number - prepared.run_from[run]
