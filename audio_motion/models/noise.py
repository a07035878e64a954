"""The noise that a performance is drawn from: it changes over seconds, so that a seed is a way of saying the speech.

White noise makes single movements larger or smaller at random, which costs agreement with the speech: on speakers never
heard, noise that made the same spread across seeds took 0.027 off the opening's correlation, this 0.003
(docs/benchmarks.md). Every latent is standard normal both ways, as the prior asks for.
"""

from __future__ import annotations

import numpy as np
import torch

SLOW = 240
"""Motion frames, the standard deviation of the smoothing: 9.6 s. Of 1.9, 4.8 and 9.6 s the longest cost least."""
_KNOT = SLOW // 2
"""Motion frames between two of the random numbers that it is made of."""
_FAR = 8
"""Knots to either side that count."""


def performance_noise(channels: int, frames: np.ndarray, seed: int) -> torch.Tensor:
    """Standard normal noise of the latents that begin at some motion frames; it depends on the seed and on absolute
    time only.

    Args:
        frames: int [N], negative before the sound begins.

    Returns:
        float32 [channels, N].
    """
    first, last = int(np.min(frames)) // _KNOT - _FAR, int(np.max(frames)) // _KNOT + _FAR + 1
    knots = np.arange(first, last + 1)
    drawn = [np.random.default_rng([seed, int(k) % 2**32, 0x5EED]).standard_normal(channels) for k in knots]
    weights = np.exp(-0.5 * np.square((np.asarray(frames)[:, None] - _KNOT * knots) / SLOW))
    own = np.floor_divide(frames, _KNOT)[:, None]
    weights[(knots < own - _FAR) | (knots > own + _FAR + 1)] = 0.0  # whatever other frames are asked for
    weights /= np.sqrt(np.square(weights).sum(axis=1, keepdims=True))
    return torch.from_numpy((weights @ np.stack(drawn)).T.astype(np.float32))
