"""Drawing the rays of a step: in the head stage around the head, lips and eyes, then over the whole picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_motion.topology import LEFT_EYE, RIGHT_EYE
from geneface_ns.capture_format.capture import Capture
from geneface_ns.scene import draws
from geneface_ns.scene.draws import DrawConfig, Rays, RaySource, anywhere, draw_frames, draw_picture
from geneface_ns.scene.prepared import Prepared
from geneface_ns.scene.stages import generator_of
from geneface_ns.scene.truth import Truth, truth_of_head

LIPS_MARGIN, EYE_MARGIN = 0.15, 0.35
"""Part of the box's width added on each side of lips and eyes; lids crease above the eye."""


@dataclass
class HeadDrawConfig(DrawConfig):
    """Where the rays of the head stage lie, too."""

    lips_share: float = 0.25
    """Part of the head's rays drawn from the lips' box: the mouth is small and matters most."""
    eyes_share: float = 0.1
    """Part of the head's rays drawn from the eyes' boxes: a thousandth of the picture, which all of a blink is in."""
    even_share: float = 0.5
    """Part of the head's frames drawn evenly over how far eyes and mouth are open. Eyes are shut for a twentieth of the
    time and half open for less: left to that, lids stay a mixture of skin and open eye."""
    picture_share: float = 0.05
    """Part of the head's rays drawn from the whole picture. What a pose shows beside the outline lies far from it at
    another: dots would float there that no ray near the head ever meets."""


def ray_source(capture: Capture, prepared: Prepared, downscale: int) -> RaySource:
    """What a capture's rays are drawn from, on the CPU; a frame's boxes are those of the lips and of each eye."""
    places = draws.landmark_pixels(capture, downscale)
    boxes = [whole_pixels(capture.lips_box / downscale, prepared.size, LIPS_MARGIN)]
    for eye in (LEFT_EYE, RIGHT_EYE):
        box = np.concatenate([places[:, eye].min(axis=1), places[:, eye].max(axis=1)], axis=1)
        boxes.append(whole_pixels(box, prepared.size, EYE_MARGIN))
    return draws.ray_source(capture, prepared, downscale, torch.from_numpy(np.stack(boxes, axis=1)))


def whole_pixels(boxes: np.ndarray, size: tuple[int, int], margin: float) -> np.ndarray:
    """Whole pixels in and around boxes, at least one, inside the picture.

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
    index = _frames_of_all_states(source, frames, config, generator)
    each = config.train_num_rays_per_batch // config.frames_per_batch
    in_lips, in_eye = round(each * config.lips_share), round(each * config.eyes_share / 2)
    in_picture = round(each * config.picture_share)
    width = source.prepared.size[0]
    pixel = torch.cat(
        [
            _in_boxes(source.boxes[index, 0], in_lips, width, generator),
            _in_boxes(source.boxes[index, 1], in_eye, width, generator),
            _in_boxes(source.boxes[index, 2], in_eye, width, generator),
            anywhere(source.prepared, len(index), in_picture, generator),
            _around_heads(source.prepared, index, each - in_lips - 2 * in_eye - in_picture, generator),
        ],
        dim=1,
    )
    frame, pixel = index.repeat_interleave(each), pixel.reshape(-1)
    packed = draws.looked_up(source.prepared, frame, pixel)
    truth = truth_of_head(packed, config.neck_trust, config.random_underlay, generator)
    return draws.rays_through(source, frame, pixel), truth


def _frames_of_all_states(
    source: RaySource, frames: Tensor, config: HeadDrawConfig, generator: torch.Generator
) -> Tensor:
    """Those of a step of the head's, out of some [N] of the capture: int64 [frames_per_batch]."""
    frames = frames.to(source.c2w.device)
    anyhow = draw_frames(source, frames, config, generator)
    picks = torch.multinomial(source.evenness[frames], len(anyhow), replacement=True, generator=generator)
    is_even = torch.rand(len(anyhow), generator=generator, device=frames.device) < config.even_share
    return torch.where(is_even, frames[picks], anyhow)


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
