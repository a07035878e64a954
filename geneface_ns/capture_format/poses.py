"""What a camera's pose may be."""

from __future__ import annotations

import numpy as np

NOT_RIGID = 1e-3
"""How far a rotation's columns may be from unit length and right angles: well above what float32 and JSON round."""


def is_rigid(c2w: np.ndarray) -> np.ndarray:
    """Which of the matrices [T, 4, 4] are a rotation and a translation: bool [T]."""
    good = np.isfinite(c2w).all(axis=(1, 2))
    c2w = np.where(good[:, None, None], c2w, np.eye(4))
    rotation = c2w[:, :3, :3]
    with np.errstate(over="ignore", invalid="ignore"):  # of absurdly large numbers: not rigid
        skew = np.abs(rotation.swapaxes(1, 2) @ rotation - np.eye(3)).max(axis=(1, 2))
        determinant = np.linalg.det(rotation)
    below = np.abs(c2w[:, 3] - (0, 0, 0, 1)).max(axis=1)
    return good & (skew < NOT_RIGID) & (determinant > 0) & (below < NOT_RIGID)
