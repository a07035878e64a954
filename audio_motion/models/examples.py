"""A small dictionary of a person's mouth shapes."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.cluster.vq import kmeans2

EXAMPLES = 512
"""Shapes that are kept: 120 kB."""
_LOOKED_AT = 20_000
"""Most frames that are clustered: 13 minutes at 25 Hz."""
_ROUNDS = 8


def choose_examples(shapes: np.ndarray, count: int = EXAMPLES) -> np.ndarray:
    """Shapes that stand for all: means of clusters (k-means, begun with frames evenly spaced in time).

    Means, not extremes, so that a frame that was tracked wrongly is not kept as an example of its own kind.

    Args:
        shapes: [T, P, 3] offsets.
        count: of clusters.

    Returns:
        float32 [at most count, P, 3]; the shapes themselves where there are not more.
    """
    flat = shapes.reshape(len(shapes), -1).astype(np.float32)
    flat = flat[_evenly(len(flat), _LOOKED_AT)]
    centres = flat[_evenly(len(flat), count)]
    if len(flat) > count:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of clusters without members, which are left out
            centres, nearest = kmeans2(flat, centres, iter=_ROUNDS, minit="matrix")
        centres = centres[np.unique(nearest)]
    return centres.reshape(-1, *shapes.shape[1:])


def _evenly(length: int, most: int) -> np.ndarray:
    """Numbers of at most so many of `length` things, evenly spaced."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))
