"""Following a textured region through a film with an affine motion.

Iterated least squares on grey values (Lucas and Kanade 1981, in the inverse compositional form of Baker and Matthews,
IJCV 2004), with gain and bias of the light as unknowns, Huber weights against what passes in front, and a prior that
keeps what the picture does not tell (plain cloth tells little of stretch) at the frame before.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

LEVELS = (4, 2, 1)
"""Shrinking factors, coarse to fine; the coarsest level finds the shift alone."""
ITERATIONS = 8
ENOUGH = 0.01
"""Pixels of change at which the iteration stops."""
FREEDOM = 16.0
"""Neighbouring pixels' errors go together: this many count as one."""
SHIFT_STEP = 3.0
STRETCH_STEP = 0.6
"""Deviation of the change from a frame to the next, pixels: of the place, and of the rim by turning and stretching."""


@dataclass(frozen=True)
class _Level:
    factor: int
    values: np.ndarray  # [N] template
    jacobian: np.ndarray  # [N, 8]: six of motion (pixels at the rim), gain, bias
    pixels: tuple[np.ndarray, np.ndarray]


class Follower:
    """Follows the masked region of a template picture; pixel indices (centres at 0)."""

    def __init__(self, template: np.ndarray, mask: np.ndarray) -> None:
        """template: float32 [h, w]; mask: bool [h, w], not empty."""
        rows, columns = np.nonzero(mask)
        self._centre = np.array([columns.mean(), rows.mean()])
        self._radius = max(1.0, float(np.sqrt(columns.var() + rows.var())))
        self._levels = [self._level(template, mask, factor) for factor in LEVELS]

    def __call__(self, picture: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
        """Find the region in a picture.

        Args:
            picture: float32 [h, w].
            start: [2, 3] the motion in the frame before.

        Returns:
            The motion [2, 3], template to picture, and the correlation of the region with the template there.
        """
        before = self._parameters(start)
        now = before.copy()
        correlation = 0.0
        for level in self._levels:
            shrunk = _shrunk(picture, level.factor)
            free = 2 if level.factor == LEVELS[0] else 6
            correlation = self._fit(level, shrunk, now, before, free)
        return self._matrix(now), correlation

    def _fit(self, level: _Level, picture: np.ndarray, now: np.ndarray, before: np.ndarray, free: int) -> float:
        """Improve the parameters `now` [6] in place; returns the correlation."""
        prior = np.array([SHIFT_STEP] * 2 + [STRETCH_STEP] * 4) ** -2.0
        used = np.r_[0:free, 6, 7]
        jacobian = level.jacobian[:, used]
        correlation = 0.0
        for _ in range(ITERATIONS):
            seen = self._sample(level, picture, now)
            residual = seen - level.values
            centred = residual - np.median(residual)
            noise = max(1.0, 1.48 * float(np.median(np.abs(centred))))
            weight = 1 / np.maximum(1, np.abs(centred) / (2 * noise))
            weight *= level.factor**2 / (FREEDOM * noise**2)
            weighted = jacobian * weight[:, None]
            normal, right = weighted.T @ jacobian, weighted.T @ residual
            away = (now - before)[:free]
            normal[np.arange(free), np.arange(free)] += prior[:free]
            normal[np.arange(free, free + 2), np.arange(free, free + 2)] += (0.2**-2, 20.0**-2)
            right[:free] += prior[:free] * away
            step = np.zeros(6)
            step[:free] = np.linalg.solve(normal, right)[:free]
            now[:] = self._parameters(_compose(self._matrix(now), _inverse(self._matrix(step))))
            if np.abs(step).max() < ENOUGH * level.factor:
                break
        seen = self._sample(level, picture, now)
        if seen.std() > 1e-6 and level.values.std() > 1e-6:
            correlation = float(np.corrcoef(seen, level.values)[0, 1])
        return correlation

    def _sample(self, level: _Level, picture: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """Values [N] of the shrunk picture where the template's pixels have moved."""
        matrix = self._matrix(parameters)
        # Indices of a shrunk picture: (i + 0.5) / factor - 0.5.
        shift = 0.5 / level.factor - 0.5
        scaled = matrix.copy()
        scaled[:, 2] = matrix[:, 2] / level.factor + shift - matrix[:, :2] @ np.full(2, shift)
        warped = cv2.warpAffine(
            picture,
            scaled,
            picture.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return warped[level.pixels].astype(np.float64)

    def _level(self, template: np.ndarray, mask: np.ndarray, factor: int) -> _Level:
        shrunk = _shrunk(template, factor)
        inside = cv2.resize(mask.astype(np.float32), shrunk.shape[::-1], interpolation=cv2.INTER_AREA) > 0.5
        if inside.sum() < 16:
            inside[:] = True
        across = cv2.Sobel(shrunk, cv2.CV_32F, 1, 0, ksize=3)[inside].astype(np.float64) / 8 / factor
        down = cv2.Sobel(shrunk, cv2.CV_32F, 0, 1, ksize=3)[inside].astype(np.float64) / 8 / factor
        rows, columns = np.nonzero(inside)
        x = ((columns + 0.5) * factor - 0.5 - self._centre[0]) / self._radius
        y = ((rows + 0.5) * factor - 0.5 - self._centre[1]) / self._radius
        values = shrunk[inside].astype(np.float64)
        motion = [across, down, across * x, across * y, down * x, down * y]
        light = [(values - values.mean()), np.ones_like(values)]
        return _Level(factor, values, np.stack(motion + light, axis=1), (rows, columns))

    def _parameters(self, matrix: np.ndarray) -> np.ndarray:
        linear = (matrix[:, :2] - np.eye(2)) * self._radius
        shift = matrix @ np.array([*self._centre, 1.0]) - self._centre
        return np.concatenate([shift, linear.ravel()])

    def _matrix(self, parameters: np.ndarray) -> np.ndarray:
        linear = np.eye(2) + parameters[2:].reshape(2, 2) / self._radius
        return np.concatenate([linear, (self._centre + parameters[:2] - linear @ self._centre)[:, None]], axis=1)


def _shrunk(picture: np.ndarray, factor: int) -> np.ndarray:
    if factor > 1:
        size = (max(1, picture.shape[1] // factor), max(1, picture.shape[0] // factor))
        padded = picture[: size[1] * factor, : size[0] * factor]
        picture = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(picture, (5, 5), 1.0)


def _compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    linear = outer[:, :2] @ inner[:, :2]
    return np.concatenate([linear, (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]], axis=1)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, (-linear @ matrix[:, 2])[:, None]], axis=1)
