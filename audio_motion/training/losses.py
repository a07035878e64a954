"""Losses of the motion generator and of the post-net."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from audio_motion.models.syncnet import SyncExpert
from audio_motion.topology import INNER_LIPS, INNER_LOWER_LIP, INNER_UPPER_LIP, MOUTH, MOUTH_CORNERS

_STILL = 1e-3
"""Added to the product of the squared sizes of two series, in units of the scale: of what hardly moves the correlation
is near 0."""


def point_weights(mouth: float, inner_lips: float) -> Tensor:
    """[204] weights of the coordinates, mean 1; 1 before scaling for points outside the mouth.

    Args:
        mouth: weight of the 20 mouth points.
        inner_lips: weight of the 8 inner lip points among them.
    """
    weights = torch.ones(68, 3)
    weights[MOUTH] = mouth
    weights[INNER_LIPS] = inner_lips
    return (weights / weights.mean()).flatten()


def position_loss(predicted: Tensor, truth: Tensor, weights: Tensor, valid: Tensor) -> Tensor:
    """Weighted squared error of valid frames, over the number of all frames.

    Args:
        predicted, truth: [B, 204, T].
        weights: [204], mean 1.
        valid: bool [B, T].
    """
    return _mean_square(predicted - truth, weights, valid)


def velocity_loss(predicted: Tensor, truth: Tensor, weights: Tensor, valid: Tensor) -> Tensor:
    """Weighted mean squared error of the change from frame to frame, where both frames are valid (GeneFace's
    continuity loss). Shapes as in `position_loss`.
    """
    both = valid[:, 1:] & valid[:, :-1]
    return _mean_square((predicted - truth).diff(dim=-1), weights, both)


def sync_loss(expert: SyncExpert, motion: Tensor, features: Tensor, valid: Tensor) -> Tensor:
    """How far motion is from what the frozen expert hears: 1 minus their cosine, 0 to 2, over all frames.

    Args:
        motion: [B, 204, T] in units of the scale.
        features: [B, C, 2T].
        valid: bool [B, T].
    """
    cosine = (expert.see(motion) * expert.hear(features)).sum(dim=1)
    return ((1.0 - cosine) * valid).mean()


def correlation_loss(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """1 minus the correlation over time of the mouth's opening and width, 0 to 2, mean over pieces.

    It asks when the mouth opens and not how far: the squared error, which asks for both, is least where little is
    ventured. Shapes as in `position_loss`; pieces of less than 2 valid frames, or in which nothing moves, count as 1.
    """
    known = valid[:, None].float()
    centred = []
    for motion in (predicted, truth):
        series = opening_and_width(motion)
        mean = (series * known).sum(dim=-1, keepdim=True) / known.sum(dim=-1, keepdim=True).clamp(min=1.0)
        centred.append((series - mean) * known)
    made, true = centred
    sizes = made.square().sum(dim=-1) * true.square().sum(dim=-1)
    return (1.0 - (made * true).sum(dim=-1) / (sizes + _STILL).sqrt()).mean()


def opening_and_width(motion: Tensor) -> Tensor:
    """Of the mouth, as far as they are linear in the motion [B, 204, T]: height between the inner lips and distance of
    the corners, [B, 2, T]."""
    points = motion.unflatten(1, (68, 3))
    opening = points[:, INNER_UPPER_LIP, 1].mean(dim=1) - points[:, INNER_LOWER_LIP, 1].mean(dim=1)
    left, right = MOUTH_CORNERS
    return torch.stack([opening, points[:, right, 0] - points[:, left, 0]], dim=1)


def lsgan_loss(verdicts: Sequence[tuple[Tensor, Tensor]], wanted: float) -> Tensor:
    """The least-squares GAN loss (Mao et al., ICCV 2017): squared distance of verdicts from what is wanted, over all
    windows.

    Args:
        verdicts: for every window length, verdicts [B, N], and bool [B, N] where they count.
    """
    return torch.stack([((verdict - wanted).square() * whole).mean() for verdict, whole in verdicts]).mean()


def moments_loss(coordinates: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """How far mean and covariance of frames are from the wanted ones, relative (Sun and Saenko's CORAL, ECCV-W 2016).

    Args:
        coordinates: [N, D].
        mean: [D], wanted.
        covariance: [D, D], wanted.
    """
    found = coordinates.mean(dim=0)
    centred = coordinates - found
    difference = centred.T @ centred / len(coordinates) - covariance
    shift = (found - mean).square().sum() / covariance.trace()
    return shift + difference.square().sum() / covariance.square().sum()


def _mean_square(error: Tensor, weights: Tensor, valid: Tensor) -> Tensor:
    # Over all frames, not the valid ones: so the mean over processes is the mean over the whole batch.
    return (error.square() * weights[:, None] * valid[:, None, :]).mean()
