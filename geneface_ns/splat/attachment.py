"""Which landmarks a Gaussian of the head moves with."""

from __future__ import annotations

import torch
from torch import Tensor

from audio_motion.topology import CHIN, INNER_LOWER_LIP, INNER_UPPER_LIP
from geneface_ns.scene.warp import STILL
from geneface_ns.splat.surface import JAW, SKULL

UPPER_LIP = [*range(49, 54), *INNER_UPPER_LIP]
LOWER_LIP = [*range(55, 60), *INNER_LOWER_LIP]
"""Landmarks of one lip alone: the corners belong to both."""


def attachment(places: Tensor, kind: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """How much each landmark's displacement moves each Gaussian.

    Skin moves with the landmarks around it, but none of a lip's with the other lip: their inner edges are nearer to
    each other than a landmark reaches, so both would move with the mean of both, and never part.

    Args:
        places: [N, 3] in the mean face.
        kind: int64 [N], as `Surface` has it.
        mean: [68, 3] the person's mean landmarks.
        sigma: reach of a landmark, face widths (deviation of a Gaussian).

    Returns:
        [N, 68]; what a row of the skin's misses to one stands still.
    """
    closeness = torch.exp(-torch.cdist(places, mean).square() / (2 * sigma**2))
    upper, lower = _lips(places, mean)
    for lip, other in ((upper, LOWER_LIP), (lower, UPPER_LIP)):
        apart = torch.zeros(len(mean), dtype=torch.bool)
        apart[other] = True
        closeness.masked_fill_(lip[:, None] & apart, 0)
    weights = closeness / (closeness.sum(dim=1, keepdim=True) + STILL)
    weights[kind == SKULL] = 0
    jaw = torch.zeros(len(mean))
    jaw[CHIN] = 1 / (CHIN.stop - CHIN.start)
    weights[kind == JAW] = jaw
    return weights


def _lips(places: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Places between the mouth's corners that lie above, and those that lie below the line where lips meet: bool [N]
    each."""
    middle = (mean[INNER_UPPER_LIP, :2] + mean[INNER_LOWER_LIP, :2]) / 2
    line = torch.cat([mean[60:61, :2], middle, mean[64:65, :2]])
    x, y = places[:, 0].contiguous(), places[:, 1]
    after = torch.bucketize(x, line[:, 0].contiguous()).clamp(1, len(line) - 1)
    (x0, y0), (x1, y1) = line[after - 1].unbind(dim=1), line[after].unbind(dim=1)
    above = y > y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    between = (x > line[0, 0]) & (x < line[-1, 0])
    return between & above, between & ~above
