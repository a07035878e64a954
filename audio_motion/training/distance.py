"""How far one motion's distribution is from a person's, and how much it varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_motion.topology import JAW, MOUTH

COMPONENTS = 12
"""Principal components of mouth and jaw that are compared: about 98 % of a tracked speaker's variance."""


@dataclass(frozen=True)
class MotionSpace:
    """Coordinates of a person's mouth and jaw: principal components of the motion and their change a frame."""

    basis: np.ndarray
    """float64 [111, K], orthonormal columns."""
    tempo: float
    """Factor on changes that makes their variance in the person's motion as great as the positions'."""


def motion_space(motion: np.ndarray, valid: np.ndarray, components: int = COMPONENTS) -> MotionSpace:
    """Measure a person.

    Args:
        motion: [T, 68, 3] offsets, in any unit.
        valid: bool [T].
        components: how many principal components; never more than the frames allow.
    """
    points = _mouth_and_jaw(motion)
    centred = points[valid] - points[valid].mean(axis=0)
    basis = np.linalg.svd(centred, full_matrices=False)[2][:components].T
    place = centred @ basis
    change = np.diff(points, axis=0)[valid[1:] & valid[:-1]] @ basis
    tempo = np.sqrt(place.var(axis=0).sum() / max(1e-12, change.var(axis=0).sum()))
    return MotionSpace(basis, float(tempo))


def coordinates(space: MotionSpace, motion: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Motion [T, 68, 3] -> [N, 2K]: components of each frame and of the change that led to it, where both are valid."""
    place = _mouth_and_jaw(motion) @ space.basis
    both = valid[1:] & valid[:-1]
    return np.concatenate([place[1:], space.tempo * np.diff(place, axis=0)], axis=1)[both]


def frechet_distance(made: np.ndarray, true: np.ndarray) -> float:
    """The Frechet distance of the Gaussians fitted to two sets of coordinates, [N, D] and [M, D], relative.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2) (Dowson and Landau, 1982), over tr C2: 0 is the same
    distribution, 1 is as far as a face that rests at the true mean.
    """
    first, second = np.cov(made.T, ddof=0), np.cov(true.T, ddof=0)
    first, second = np.atleast_2d(first), np.atleast_2d(second)
    root = _root(first)
    shared = np.trace(_root(root @ second @ root))
    shift = np.square(made.mean(axis=0) - true.mean(axis=0)).sum()
    return float((shift + np.trace(first) + np.trace(second) - 2.0 * shared) / np.trace(second))


def deviations(windows: np.ndarray) -> tuple[float, float]:
    """How much motion differs over time, and between pieces of different speech.

    Args:
        windows: [N, W, ...] pieces of motion, N of at least 2.

    Returns:
        standard deviation over time within the pieces, and over the pieces at one time; both in the motion's unit.
        A face that has frozen has the first at 0; one that moves alike whatever is said, the second.
    """
    flat = windows.reshape(*windows.shape[:2], -1)
    return float(np.sqrt(flat.var(axis=1).mean())), float(np.sqrt(flat.var(axis=0).mean()))


def _mouth_and_jaw(motion: np.ndarray) -> np.ndarray:
    """[T, 68, 3] -> float64 [T, 111]."""
    parts = [np.asarray(motion, np.float64)[:, part].reshape(len(motion), -1) for part in (JAW, MOUTH)]
    return np.concatenate(parts, axis=1)


def _root(symmetric: np.ndarray) -> np.ndarray:
    """Square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
