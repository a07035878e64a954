"""Rays of a capture's own cameras, and drawing them over its whole pictures, as every torso learns from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from audio_motion.topology import mouth_opening
from geneface_ns.capture_format.capture import Capture
from geneface_ns.scene.camera import pinhole_directions
from geneface_ns.scene.prepared import NECK, Prepared, unpack_head
from geneface_ns.scene.stages import generator_of
from geneface_ns.scene.truth import Truth

STATES = 8
"""Steps from shut to open that are told apart."""
RAREST = 8
"""Times as often as a frame of the mean is: see `even_weights`."""


@dataclass
class DrawConfig:
    """How many rays a step has, and what is learnt of them."""

    train_num_rays_per_batch: int = 3072
    """Rays per step."""
    frames_per_batch: int = 4
    """Frames that the rays of a step come from."""
    neck_reach: float = 0.03
    """How far the neck is continued under the collar, image widths."""
    neck_trust: float = 0.1
    """Weight of a continued pixel against a seen one."""
    random_underlay: float = 0.5
    """Part of the rays through the middle of the head that lie over a random colour: a head that the wall's brightness
    shines through is told from an opaque one."""


class Rays(NamedTuple):
    """N rays of the capture's own cameras."""

    times: Tensor
    """[N] of their frames, 0 first and 1 last."""
    origins: Tensor
    """[N, 3], head frame."""
    directions: Tensor
    """[N, 3]."""
    pixel: Tensor
    """[N, 2], the image being [-1, 1]^2, y down."""

    def to(self, device: torch.device | str) -> Rays:
        """All of it on a device."""
        return Rays(*(x.to(device, non_blocking=True) for x in self))


class RaySource(NamedTuple):
    """All that rays are drawn from, on one device."""

    prepared: Prepared
    boxes: Tensor
    """int64 [F, B, 4] x0, y0, x1, y1: the parts of each frame that the method's head looks at; the last row and column
    do not belong."""
    c2w: Tensor
    """[F, 4, 4]."""
    times: Tensor
    """[F], 0 for the first and 1 for the last frame."""
    evenness: Tensor
    """[F] how likely each frame is, where all states of eyes and mouth are to be as likely as each other."""
    focal: tuple[float, float]
    centre: tuple[float, float]

    def to(self, device: torch.device) -> RaySource:
        """All of it on a device."""
        return self._replace(
            prepared=self.prepared.to(device),
            boxes=self.boxes.to(device),
            c2w=self.c2w.to(device),
            times=self.times.to(device),
            evenness=self.evenness.to(device),
        )


def ray_source(capture: Capture, prepared: Prepared, downscale: int, boxes: Tensor) -> RaySource:
    """What a capture's rays are drawn from, on the CPU."""
    face = capture.landmarks
    opening = np.stack([face.eye_openness.mean(axis=1), mouth_opening(face.landmarks)], axis=1)
    return RaySource(
        prepared,
        boxes,
        torch.from_numpy(capture.c2w),
        torch.from_numpy(capture.times),
        torch.from_numpy(even_weights(opening).mean(axis=1)),
        (capture.focal[0] / downscale, capture.focal[1] / downscale),
        (capture.centre[0] / downscale, capture.centre[1] / downscale),
    )


def even_weights(opening: np.ndarray) -> np.ndarray:
    """How likely each of some frames is, where all states of a part are to be as likely as each other.

    Args:
        opening: [F, K] how far each of K parts is open, in any unit.

    Returns:
        float32 [F, K], of mean 1 but for those held at RAREST: a mistracked frame must not become a training of its
        own.
    """
    low, high = np.quantile(opening, [0.01, 0.99], axis=0)
    state = ((opening - low) / np.maximum(high - low, 1e-6) * STATES).astype(int).clip(0, STATES - 1)
    weight = 1 / np.stack([np.bincount(part, minlength=STATES)[part] for part in state.T], axis=1)
    return np.minimum(weight / weight.mean(axis=0), RAREST).astype(np.float32)


def landmark_pixels(capture: Capture, downscale: int) -> np.ndarray:
    """Where the landmarks lie in the pictures: float [F, 68, 2], pixels after `downscale`."""
    focal, centre = np.array(capture.focal) / downscale, np.array(capture.centre) / downscale
    c2w = capture.c2w
    local = (capture.landmarks.landmarks - c2w[:, None, :3, 3]) @ c2w[:, :3, :3]
    return local[..., :2] * [1, -1] / -local[..., 2:] * focal + centre


def draw_picture(
    source: RaySource, frames: Tensor, step: int, config: DrawConfig, rank: int = 0, purpose: int = 0
) -> tuple[Rays, Truth]:
    """The rays of a step of the torso's, and what they really look like, on the source's device.

    They follow from step and rank alone: a resumed run sees the same, and every process of several its own.

    Args:
        frames: int64 [N] those of the capture to draw from.
        step: of the training.
        purpose: another number, other rays.
    """
    generator = generator_of(source.c2w.device, step, rank, purpose)
    index = draw_frames(source, frames, config, generator)
    each = config.train_num_rays_per_batch // config.frames_per_batch
    frame, pixel = index.repeat_interleave(each), anywhere(source.prepared, len(index), each, generator).reshape(-1)
    return rays_through(source, frame, pixel), _truth_of_picture(looked_up(source.prepared, frame, pixel))


def draw_frames(source: RaySource, frames: Tensor, config: DrawConfig, generator: torch.Generator) -> Tensor:
    """Those of a step, out of some [N] of the capture: int64 [frames_per_batch]."""
    device = source.c2w.device
    picks = torch.randint(len(frames), (config.frames_per_batch,), generator=generator, device=device)
    return frames.to(device)[picks]


def anywhere(prepared: Prepared, frames: int, count: int, generator: torch.Generator) -> Tensor:
    """Uniform in the whole picture: flat pixels [frames, count]."""
    pixels = prepared.pixels.shape[1]
    return torch.randint(pixels, (frames, count), generator=generator, device=prepared.pixels.device)


def looked_up(prepared: Prepared, frame: Tensor, pixel: Tensor) -> Tensor:
    """Frames [N] and flat pixels [N] as `Prepared.pixels` has them: uint8 [N, 8]."""
    # Eight bytes are one number, so a ray is one lookup.
    return prepared.pixels.view(torch.int64)[frame, pixel, 0].view(torch.uint8).view(-1, 8)


def _truth_of_picture(packed: Tensor) -> Truth:
    """Pixels [N, 8] as the torso learns from them."""
    values = packed[:, :7].float() / 255
    head, kind = unpack_head(packed[:, 7:])
    underlay = torch.where((kind == NECK).expand(-1, 4), values[:, [0, 1, 2, 6]], values[:, 3:])
    return Truth(values[:, :3], underlay, head, 1 - values[:, 6:], torch.ones_like(head))


def rays_through(source: RaySource, frame: Tensor, pixel: Tensor) -> Rays:
    """Rays of frames [N] through the middle of flat pixels [N]."""
    width, height = source.prepared.size
    centres = torch.stack([pixel % width, pixel // width], dim=1) + 0.5
    local = pinhole_directions(centres, source.focal, source.centre)
    c2w = source.c2w[frame]
    # No matrix product: under mixed precision it would round directions to half precision.
    directions = (c2w[:, :3, :3] * local[:, None, :]).sum(dim=2)
    size = torch.tensor([width, height], dtype=centres.dtype, device=centres.device)
    return Rays(source.times[frame], c2w[:, :3, 3], directions, centres / size * 2 - 1)
