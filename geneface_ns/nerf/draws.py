"""Drawing the rays of a step: in the head stage around the head and the lips, then over the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from geneface_ns.capture_format.capture import Capture
from geneface_ns.nerf.training import Rays, generator_of
from geneface_ns.scene.camera import pinhole_directions
from geneface_ns.scene.prepared import NECK, Prepared, unpack_head
from geneface_ns.scene.truth import Truth, truth_of_head


@dataclass
class DrawConfig:
    """How many rays a step has, and where they lie."""

    train_num_rays_per_batch: int = 3072
    """Rays per step."""
    frames_per_batch: int = 4
    """Frames that the rays of a step come from."""
    lips_share: float = 0.25
    """Part of the head's rays drawn from the lips' box: the mouth is small and matters most."""
    picture_share: float = 0.05
    """Part of the head's rays drawn from the whole picture. What a pose shows beside the outline lies far from it at
    another: dots would float there that no ray near the head ever meets."""
    neck_reach: float = 0.03
    """How far the neck is continued under the collar, image widths."""
    neck_trust: float = 0.1
    """Weight of a continued pixel against a seen one."""
    random_underlay: float = 0.5
    """Part of the rays through the middle of the head that lie over a random colour: a head that the wall's brightness
    shines through is told from an opaque one."""


class RaySource(NamedTuple):
    """All that rays are drawn from, on one device."""

    prepared: Prepared
    lips: Tensor
    """int64 [F, 4] x0, y0, x1, y1: pixels of each frame that lips rays are drawn from."""
    c2w: Tensor
    """[F, 4, 4]."""
    times: Tensor
    """[F], 0 for the first and 1 for the last frame."""
    focal: tuple[float, float]
    centre: tuple[float, float]

    def to(self, device: torch.device) -> RaySource:
        """All of it on a device."""
        return self._replace(
            prepared=self.prepared.to(device),
            lips=self.lips.to(device),
            c2w=self.c2w.to(device),
            times=self.times.to(device),
        )


def ray_source(capture: Capture, prepared: Prepared, downscale: int) -> RaySource:
    """What a capture's rays are drawn from, on the CPU."""
    return RaySource(
        prepared,
        torch.from_numpy(lips_pixels(capture.lips_box / downscale, prepared.size)),
        torch.from_numpy(capture.c2w),
        torch.from_numpy(capture.times),
        (capture.focal[0] / downscale, capture.focal[1] / downscale),
        (capture.centre[0] / downscale, capture.centre[1] / downscale),
    )


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
    source: RaySource, frames: Tensor, step: int, head_stage: bool, config: DrawConfig, rank: int = 0, purpose: int = 0
) -> tuple[Rays, Truth]:
    """The rays of a step and what they really look like, on the source's device.

    They follow from step and rank alone: a resumed run sees the same, and every process of several its own.

    Args:
        frames: int64 [N] those of the capture to draw from.
        step: of the training.
        head_stage: whether the head learns.
        purpose: another number, other rays.
    """
    device = source.c2w.device
    generator = generator_of(device, step, rank, purpose)
    picks = torch.randint(len(frames), (config.frames_per_batch,), generator=generator, device=device)
    each = config.train_num_rays_per_batch // config.frames_per_batch
    index = frames.to(device)[picks]
    if head_stage:
        in_lips, anywhere = round(each * config.lips_share), round(each * config.picture_share)
        pixel = torch.cat(
            [
                _in_boxes(source.lips[index], in_lips, source.prepared.size[0], generator),
                _anywhere(source.prepared, len(index), anywhere, generator),
                _around_heads(source.prepared, index, each - in_lips - anywhere, generator),
            ],
            dim=1,
        )
    else:
        pixel = _anywhere(source.prepared, len(index), each, generator)
    frame, pixel = index.repeat_interleave(each), pixel.reshape(-1)
    # Eight bytes are one number, so a ray is one lookup.
    packed = source.prepared.pixels.view(torch.int64)[frame, pixel, 0].view(torch.uint8).view(-1, 8)
    truth = (
        truth_of_head(packed, config.neck_trust, config.random_underlay, generator)
        if head_stage
        else _truth_of_picture(packed)
    )
    return _rays(source, frame, pixel), truth


def _in_boxes(boxes: Tensor, count: int, width: int, generator: torch.Generator) -> Tensor:
    """Uniform in each box [B, 4]: flat pixels [B, count]."""
    place = torch.rand(2, len(boxes), count, generator=generator, device=boxes.device)
    x = boxes[:, :1] + (place[0] * (boxes[:, 2:3] - boxes[:, :1])).long()
    y = boxes[:, 1:2] + (place[1] * (boxes[:, 3:] - boxes[:, 1:2])).long()
    return y * width + x


def _anywhere(prepared: Prepared, frames: int, count: int, generator: torch.Generator) -> Tensor:
    """Uniform in the whole picture: flat pixels [frames, count]."""
    pixels = prepared.pixels.shape[1]
    return torch.randint(pixels, (frames, count), generator=generator, device=prepared.pixels.device)


def _around_heads(prepared: Prepared, index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Uniform in and around each frame's head: flat pixels [B, count]."""
    begin, end = prepared.frame_from[index, None], prepared.frame_from[index + 1, None]
    place = torch.rand(len(index), count, generator=generator, device=index.device)
    number = torch.minimum(begin + (place * (end - begin)).long(), end - 1)
    run = torch.searchsorted(prepared.run_from, number, right=True) - 1
    return prepared.run_start[run] + number - prepared.run_from[run]


def _truth_of_picture(packed: Tensor) -> Truth:
    """Pixels [N, 8] as the torso learns from them."""
    values = packed[:, :7].float() / 255
    head, kind = unpack_head(packed[:, 7:])
    underlay = torch.where((kind == NECK).expand(-1, 4), values[:, [0, 1, 2, 6]], values[:, 3:])
    return Truth(values[:, :3], underlay, head, 1 - values[:, 6:], torch.ones_like(head))


def _rays(source: RaySource, frame: Tensor, pixel: Tensor) -> Rays:
    """Rays of frames [N] through the middle of flat pixels [N]."""
    width, height = source.prepared.size
    centres = torch.stack([pixel % width, pixel // width], dim=1) + 0.5
    local = pinhole_directions(centres, source.focal, source.centre)
    c2w = source.c2w[frame]
    # No matrix product: under mixed precision it would round directions to half precision.
    directions = (c2w[:, :3, :3] * local[:, None, :]).sum(dim=2)
    size = torch.tensor([width, height], dtype=centres.dtype, device=centres.device)
    return Rays(source.times[frame], c2w[:, :3, 3], directions, centres / size * 2 - 1)
