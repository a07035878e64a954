"""What the steps of a head of Gaussians look at: the head, the mouth, the eyes or all of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from audio_motion.topology import BROWS, EYES, MOUTH
from geneface_ns.capture_format.capture import Capture
from geneface_ns.scene import draws
from geneface_ns.scene.draws import DrawConfig, RaySource
from geneface_ns.scene.prepared import Prepared
from geneface_ns.scene.stages import generator_of
from geneface_ns.scene.truth import Truth, truth_of_head


@dataclass
class SplatDrawConfig(DrawConfig):
    """Which parts of pictures the head stage looks at, too."""

    head_share: float = 0.45
    """Part of the head's steps that see the head and what is just around it."""
    mouth_share: float = 0.25
    """Part of the head's steps that see the mouth alone."""
    eyes_share: float = 0.2
    """Part of the head's steps that see eyes and brows alone; the rest see the whole picture."""
    margin: float = 0.5
    """Around mouth and eyes, part of their width."""


class Part(NamedTuple):
    """A part of one frame's picture."""

    time: Tensor
    """[1] of the frame, 0 first and 1 last."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels; the last row and column do not belong."""


def ray_source(capture: Capture, prepared: Prepared, downscale: int, margin: float) -> RaySource:
    """What a capture's steps are drawn from, on the CPU; a frame's boxes are those of head, mouth, eyes with brows, and
    the whole picture.

    Args:
        margin: around mouth and eyes, part of their width.
    """
    size, places = prepared.size, draws.landmark_pixels(capture, downscale)
    boxes = [_around_heads(prepared)]
    for part in ([*range(MOUTH.start, MOUTH.stop)], [*range(BROWS.start, BROWS.stop), *range(EYES.start, EYES.stop)]):
        low, high = places[:, part].min(axis=1), places[:, part].max(axis=1)
        grow = margin / 2 * (high - low).max(axis=1, keepdims=True)
        low = np.clip(np.floor(low - grow), 0, np.array(size) - 1)
        boxes.append(np.concatenate([low, np.clip(np.ceil(high + grow), low + 1, size)], axis=1))
    boxes.append(np.tile([0, 0, *size], (len(capture), 1)))
    return draws.ray_source(capture, prepared, downscale, torch.from_numpy(np.stack(boxes, axis=1)).long())


def draw_part(source: RaySource, frames: Tensor, step: int, config: SplatDrawConfig) -> tuple[Part, Truth]:
    """The part that a step of the head's sees, and what its pixels really look like, row by row. They follow from the
    step alone.

    Args:
        frames: int64 [N] those of the capture to draw from.
    """
    generator = generator_of(torch.device("cpu"), step)
    frame = int(frames[torch.randint(len(frames), (), generator=generator)])
    shares = torch.tensor([config.head_share, config.mouth_share, config.eyes_share]).cumsum(dim=0)
    which = int(torch.searchsorted(shares, torch.rand(1, generator=generator)))
    x0, y0, x1, y1 = source.boxes[frame, which].tolist()
    width, height = source.prepared.size
    packed = source.prepared.pixels[frame].view(height, width, 8)[y0:y1, x0:x1].reshape(-1, 8)
    truth = truth_of_head(packed, config.neck_trust, config.random_underlay, generator)
    return Part(source.times[frame : frame + 1], (x0, y0, x1, y1)), truth


def _around_heads(prepared: Prepared) -> np.ndarray:
    """The boxes [F, 4] that hold the head and what is just around it."""
    width, _ = prepared.size
    start, before, frame = (x.numpy() for x in (prepared.run_start, prepared.run_from, prepared.frame_from))
    length = np.diff(before, append=frame[-1])
    first = np.searchsorted(before, frame[:-1])  # run of each frame
    # A run that goes on beyond its row fills the next row's beginning.
    wraps = start % width + length > width
    sides = np.where(wraps, 0, start % width), np.where(wraps, width, start % width + length)
    rows = start // width, (start + length - 1) // width + 1
    low = [np.minimum.reduceat(x, first) for x in (sides[0], rows[0])]
    high = [np.maximum.reduceat(x, first) for x in (sides[1], rows[1])]
    return np.stack([*low, *high], axis=1)
