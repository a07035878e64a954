"""A small dictionary of a person's mouth shapes."""

from __future__ import annotations

import numpy as np

EXAMPLES = 512
"""Shapes that are kept: 120 kB."""
_LOOKED_AT = 20_000
"""Most frames that are clustered: 13 minutes at 25 Hz."""
_ROUNDS = 8


def choose_examples(shapes: np.ndarray, count: int = EXAMPLES) -> np.ndarray:
    """Shapes that stand for all: means of clusters (Lloyd's k-means, begun with frames evenly spaced in time).

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
    for _ in range(_ROUNDS if len(flat) > count else 0):
        nearest = squared_distances(flat, centres).argmin(axis=1)
        members = np.bincount(nearest, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, flat)
        centres = (sums / np.maximum(members, 1)[:, None])[members > 0]
    return centres.reshape(-1, *shapes.shape[1:])


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[N, D], [M, D] -> [N, M]."""
    found = (first**2).sum(axis=1)[:, None] - 2.0 * first @ second.T + (second**2).sum(axis=1)
    return np.maximum(found, 0.0)


def _evenly(length: int, most: int) -> np.ndarray:
    """Numbers of at most so many of `length` things, evenly spaced."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))
