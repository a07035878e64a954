"""The frame grid that all speech features share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

RATE = 50
"""Feature frames per second. Frame i is centred at (i + 0.5) / 50 s."""
HOP = 320
"""Samples of 16 kHz sound per frame."""


def frame_count(samples: int) -> int:
    """Frames that cover so many samples: the last one may reach beyond them."""
    return -(-samples // HOP)


def windows(samples: Tensor, size: int) -> Tensor:
    """Cut sound into overlapping windows, window i centred on frame i; zeros beyond both ends.

    Args:
        samples: [S] 16 kHz.
        size: window length in samples, even and at least HOP.

    Returns:
        [frame_count(S), size]
    """
    count = frame_count(len(samples))
    before = (size - HOP) // 2
    after = (count - 1) * HOP + size - before - len(samples)
    return pad(samples, (before, max(after, 0))).unfold(0, size, HOP)[:count]


def empty(channels: int) -> Tensor:
    """The features of no sound: [0, channels]."""
    return torch.zeros(0, channels)
