"""Drawing the rays of a step: in the head stage around the head and the lips, then over the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from geneface_ns.nerf.frames import FrameStore
from geneface_ns.nerf.losses import Truth
from geneface_ns.nerf.neck import neck_under_collar
from geneface_ns.nerf.training import Rays
from geneface_ns.scene.camera import pinhole_directions


@dataclass
class DrawConfig:
    """How many rays a step has, and where they lie."""

    train_num_rays_per_batch: int = 3072
    """Rays per step."""
    frames_per_batch: int = 4
    """Frames that the rays of a step come from."""
    lips_share: float = 0.25
    """Part of the head's rays drawn from the lips' box: the mouth is small and matters most."""
    neck_reach: float = 0.03
    """How far the neck is continued under the collar, image widths."""
    neck_trust: float = 0.1
    """Weight of a continued pixel against a seen one."""


class Draw(NamedTuple):
    """N drawn pixels."""

    frame: Tensor
    """int64 [N], frame of the capture."""
    pixel: Tensor
    """int64 [N], flat index into the picture."""
    truth: Truth


def draw(
    store: FrameStore, frames: np.ndarray, step: int, head_stage: bool, config: DrawConfig, device: torch.device
) -> Draw:
    """The pixels of a step; they follow from the step alone: a resumed run sees the same.

    Args:
        store: the capture's frames at the training size.
        frames: int64 [F] those to draw from.
        step: of the training.
        head_stage: whether the head learns.
    """
    rng = np.random.default_rng((step, len(frames)))
    picks = rng.integers(len(frames), size=config.frames_per_batch)
    each = config.train_num_rays_per_batch // len(picks)
    width, height = store.size
    rows: list[dict[str, np.ndarray]] = []
    for pick in picks:
        index = int(frames[pick])
        frame = store.frame(index)
        if head_stage:
            lips = store.capture.lips_box[index] / store.downscale
            pixels = head_pixels(frame.head, lips, each, config.lips_share, rng)
        else:
            pixels = rng.integers(width * height, size=each)
        row = {
            "frame": np.full(each, index),
            "pixels": pixels,
            "image": frame.image.reshape(-1, 3)[pixels],
            "underlay": frame.underlay.reshape(-1, 4)[pixels],
            "head": frame.head.reshape(-1, 1)[pixels],
            "trust": np.full((each, 1), 255, np.uint8),
        }
        if head_stage:
            reach = max(1, round(config.neck_reach * width))
            under, colour = neck_under_collar(frame.image, frame.head, frame.underlay[..., 3], reach)
            guessed = under.reshape(-1)[pixels]
            row["image"][guessed] = colour.reshape(-1, 3)[pixels[guessed]]
            row["underlay"][guessed, 3] = 0
            row["head"][guessed] = 255
            row["trust"][guessed] = round(255 * config.neck_trust)
        rows.append(row)
    stacked = {name: torch.from_numpy(np.concatenate([row[name] for row in rows])).to(device) for name in rows[0]}
    truth = Truth(*(stacked[name].float() / 255 for name in ("image", "underlay", "head", "trust")))
    return Draw(stacked["frame"], stacked["pixels"], truth)


def head_pixels(
    head: np.ndarray, lips_box: np.ndarray, count: int, lips_share: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw pixels in and around the head, and a share of them in the lips' box.

    Args:
        head: uint8 [H, W], how much of the pixel is head.
        lips_box: [4] x0, y0, x1, y1 in pixels.

    Returns:
        int64 [count] flat indices; all over the picture where no head is seen.
    """
    height, width = head.shape
    margin = max(1, width // 32)  # the head's outline is learned from what lies beside it
    around = cv2.dilate((head > 0).astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    candidates = np.flatnonzero(around) if around.any() else np.arange(height * width)
    pixels = rng.choice(candidates, size=count)
    in_lips = round(count * lips_share)
    grow = 0.15 * (lips_box[2] - lips_box[0])
    x0, y0 = np.clip(np.floor(lips_box[:2] - grow).astype(int), 0, (width - 1, height - 1))
    x1, y1 = np.clip(np.ceil(lips_box[2:] + grow).astype(int), (x0 + 1, y0 + 1), (width, height))
    pixels[:in_lips] = rng.integers(y0, y1, size=in_lips) * width + rng.integers(x0, x1, size=in_lips)
    return pixels


def rays_of_pixels(
    c2w: Tensor, times: Tensor, pixel: Tensor, focal: tuple[float, float], centre: tuple[float, float], size: Tensor
) -> Rays:
    """Rays of the capture's pinhole cameras.

    Args:
        c2w: [N, 3 or 4, 4] of each ray's frame; times: [N].
        pixel: int64 [N], flat index into the picture.
        focal, centre: pixels; size: [2] width and height.
    """
    width = int(size[0])
    centres = torch.stack([pixel % width, pixel // width], dim=1) + 0.5
    local = pinhole_directions(centres, focal, centre)
    directions = (c2w[:, :3, :3] @ local[:, :, None])[..., 0]
    return Rays(times, c2w[:, :3, 3], directions, centres / size * 2 - 1)
