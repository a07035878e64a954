"""Losses of the motion generator."""

from __future__ import annotations

import torch
from torch import Tensor

from audio_motion.topology import INNER_LIPS, MOUTH


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
    """Weighted mean squared error over valid frames.

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


def _mean_square(error: Tensor, weights: Tensor, valid: Tensor) -> Tensor:
    kept = valid[:, None, :].to(error.dtype)
    total = (error.square() * weights[:, None] * kept).sum()
    return total / (kept.sum() * len(weights)).clamp(min=1.0)
