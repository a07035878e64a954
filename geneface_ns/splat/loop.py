"""The training of the head over the capture's real torso layer, in plain torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from audio_motion.topology import BROWS, EYES, MOUTH
from geneface_ns.capture_format.capture import Capture
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.condition import ConditionTable
from geneface_ns.scene.prepared import Prepared
from geneface_ns.scene.truth import Truth, truth_of_head
from geneface_ns.splat.head import SplatHead, draw_head

LEARNING_RATES = {
    "means": 3e-4,
    "quats": 2e-3,
    "scales": 5e-3,
    "opacities": 2e-2,
    "colors": 4e-3,
    "pose_colors": 1e-3,
    "mouth_basis": 5e-3,
    "eyes_basis": 5e-3,
    "network": 1e-3,
}
"""Adam's at first, for each of the head's parameters."""
FINAL = 0.03
"""Part of them at the end."""


@dataclass
class SplatTrainingConfig:
    """What a training can be told besides the head's size."""

    head_share: float = 0.45
    """Part of the steps that see the head and what is just around it."""
    mouth_share: float = 0.25
    """Part of the steps that see the mouth alone."""
    eyes_share: float = 0.2
    """Part of the steps that see eyes and brows alone; the rest see the whole picture."""
    margin: float = 0.5
    """Around mouth and eyes, part of their width."""
    mask_loss: float = 2e-3
    """Weight of the squared error between the head's opacity and its mask."""
    cover_loss: float = 2e-2
    """Weight of the head's squared opacity where the torso lies before it and no neck can be."""
    basis_decay: float = 1e-4
    """Weight of the basis' mean square: what no picture asks for stays as it is."""
    neck_reach: float = 0.03
    """How far the neck is continued under the collar, image widths."""
    neck_trust: float = 0.1
    """Weight of a continued pixel against a seen one."""
    random_underlay: float = 0.5
    """Part of the pixels in the middle of the head that lie over a random colour."""
    threads: int = 2
    """Of the rasteriser."""


class Seen(NamedTuple):
    """What a training sees of a capture."""

    table: ConditionTable
    prepared: Prepared
    camera: Pinhole
    times: Tensor
    """[F]."""
    boxes: Tensor
    """int64 [F, 4, 4] x0, y0, x1, y1 of head, mouth, eyes and brows, and the whole picture in each frame."""


def see(capture: Capture, prepared: Prepared, downscale: int, margin: float) -> Seen:
    """A capture at the training size."""
    size = prepared.size
    camera = Pinhole(
        (capture.focal[0] / downscale, capture.focal[1] / downscale),
        (capture.centre[0] / downscale, capture.centre[1] / downscale),
        size,
    )
    landmarks, c2w = capture.landmarks.landmarks, capture.c2w
    local = (landmarks - c2w[:, None, :3, 3]) @ c2w[:, :3, :3]
    places = local[..., :2] * [1, -1] / -local[..., 2:] * camera.focal + camera.centre
    boxes = [_around_heads(prepared)]
    for part in ([*range(MOUTH.start, MOUTH.stop)], [*range(BROWS.start, BROWS.stop), *range(EYES.start, EYES.stop)]):
        low, high = places[:, part].min(axis=1), places[:, part].max(axis=1)
        grow = margin / 2 * (high - low).max(axis=1, keepdims=True)
        low = np.clip(np.floor(low - grow), 0, np.array(size) - 1)
        boxes.append(np.concatenate([low, np.clip(np.ceil(high + grow), low + 1, size)], axis=1))
    boxes.append(np.tile([0, 0, *size], (len(capture), 1)))
    times = torch.from_numpy(capture.times)
    return Seen(ConditionTable(capture), prepared, camera, times, torch.from_numpy(np.stack(boxes, axis=1)).long())


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


def make_optimizer(head: SplatHead) -> torch.optim.Adam:
    """Adam over all parameters, a group for each of LEARNING_RATES."""
    groups: dict[str, list[torch.nn.Parameter]] = {name: [] for name in LEARNING_RATES}
    for name, parameter in head.named_parameters():
        groups[name.split(".")[0]].append(parameter)
    return torch.optim.Adam(
        [{"params": parameters, "name": name} for name, parameters in groups.items()], eps=1e-15, fused=True
    )


def losses(colour: Tensor, opacity: Tensor, truth: Truth, config: SplatTrainingConfig) -> dict[str, Tensor]:
    """What is minimised, of N pixels: [N, 3] premultiplied, [N, 1]."""
    error = lay_over(colour, opacity, truth.underlay) - truth.image
    wrong = (opacity * truth.shown - truth.head).square()
    covered = truth.underlay[:, 3:] * truth.shown
    return {
        "rgb": (truth.trust * (error.square() + 0.02 * error.abs())).mean(),
        "mask": ((config.mask_loss + config.cover_loss * covered) * truth.trust * wrong).mean(),
    }


def learn(
    head: SplatHead,
    optimizer: torch.optim.Adam,
    seen: Seen,
    frames: Tensor,
    step: int,
    progress: float,
    config: SplatTrainingConfig,
) -> dict[str, Tensor]:
    """One step on a frame, or on a part of it.

    Args:
        frames: int64 [N] those to learn from.
        step: of the training; what is drawn follows from it.
        progress: of the training, 0 to 1; the learning rates follow from it.

    Returns:
        The loss terms.

    Raises:
        FloatingPointError: a term is not finite.
    """
    factor = FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATES[group["name"]] * factor
    generator = torch.Generator().manual_seed(step)
    frame = int(frames[torch.randint(len(frames), (), generator=generator)])
    shares = torch.tensor([config.head_share, config.mouth_share, config.eyes_share]).cumsum(dim=0)
    part = int(torch.searchsorted(shares, torch.rand(1, generator=generator)))
    x0, y0, x1, y1 = box = tuple(seen.boxes[frame, part].tolist())
    width, height = seen.camera.size
    packed = seen.prepared.pixels[frame].view(height, width, 8)[y0:y1, x0:x1].reshape(-1, 8)
    truth = truth_of_head(packed, config.neck_trust, config.random_underlay, generator)
    condition = seen.table(seen.times[frame : frame + 1])
    colour, opacity = draw_head(head(condition), seen.camera, condition.c2w[0], config.threads, box)
    terms = losses(colour.view(-1, 3), opacity.view(-1, 1), truth, config)
    terms["basis"] = config.basis_decay * (head.mouth_basis.square().mean() + head.eyes_basis.square().mean())
    for name, value in terms.items():
        if not torch.isfinite(value):
            raise FloatingPointError(f"loss term {name!r} is {value.item()} at step {step}")
    optimizer.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()
    return terms
