"""How the skin of the face moves: jaw, lips, lids, brows. Closures are exact: paired edges meet in the same points."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from audio_motion.topology import TEMPLATE
from geneface_ns.synthetic.surface import Layout

HINGE = np.array([0.0, 0.06, -0.12])
"""A point of the jaw's axis, which is parallel to x (head frame)."""
JAW_ANGLE = np.deg2rad(11.0)
"""The jaw's angle at jaw = 1."""


@dataclass(frozen=True)
class Expression:
    """Where the face's muscles are; 0 is at rest unless said otherwise. Arrays [T] for a clip, floats for a frame."""

    jaw: np.ndarray
    """0 shut, 1 wide open."""
    close: np.ndarray
    """1: the lips meet along their whole length, whatever else happens; 0: they are where jaw and rest leave them."""
    round: np.ndarray
    """1: narrow and pushed forward (oo)."""
    wide: np.ndarray
    """1: spread (ee)."""
    upper: np.ndarray
    """1: the upper lip is raised, teeth show."""
    lower: np.ndarray
    """1: the lower lip is lowered; -1: tucked up to the upper teeth (f, v)."""
    press: np.ndarray
    """1: lips pressed thin (m, b, p)."""
    tongue: np.ndarray
    """1: the tongue's tip at the upper teeth (l, n, th)."""
    smile: np.ndarray
    """1: corners up and out."""
    blink_left: np.ndarray
    """1: the eye on the image's left is shut."""
    blink_right: np.ndarray
    """1: the eye on the image's right is shut."""
    brow: np.ndarray
    """1: brows raised."""
    gaze_x: np.ndarray
    """Radians, to the image's right, in the head frame."""
    gaze_y: np.ndarray
    """Radians, up, in the head frame."""

    def __len__(self) -> int:
        return len(self.jaw)

    def at(self, frame: int) -> Expression:
        """One frame of a clip."""
        return Expression(**{f.name: float(getattr(self, f.name)[frame]) for f in fields(self)})  # type: ignore[arg-type]

    @staticmethod
    def rest(**changes) -> Expression:
        """A single face at rest (lips closed), with changes."""
        values = {f.name: 0.0 for f in fields(Expression)} | {"close": 1.0} | changes
        return Expression(**values)


def jaw_turned(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points [N, 3] turned about the jaw's axis by angles [N] or a scalar (positive opens)."""
    y, z = (points - HINGE)[:, 1], (points - HINGE)[:, 2]
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([points[:, 0], HINGE[1] + c * y - s * z, HINGE[2] + s * y + c * z], 1)


def _smooth(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class _Seam:
    """Two paired edges that can be shut, and how far the skin around follows."""

    upper: np.ndarray
    lower: np.ndarray
    order: np.ndarray
    """Edge vertices by growing x."""
    follow_upper: np.ndarray
    """[V] weights, 1 on the upper edge."""
    follow_lower: np.ndarray

    @staticmethod
    def of(rest: np.ndarray, pair: tuple[np.ndarray, np.ndarray], side: np.ndarray, up: float, down: float) -> _Seam:
        upper, lower = pair
        edges = []
        for ids, sign, reach in ((upper, 1, up), (lower, -1, down)):
            distance = np.linalg.norm(rest[:, None, :2] - rest[ids][None, :, :2], axis=-1).min(1)
            weight = np.exp(-((distance / reach) ** 2)) * (side == sign) * (rest[:, 2] > 0)
            weight[weight < 1e-3] = 0
            weight[ids] = 1
            edges.append(weight)
        return _Seam(upper, lower, np.argsort(rest[upper, 0]), edges[0], edges[1])

    def shut(self, points: np.ndarray, amount: float, share: float, bulge: float) -> None:
        """Move in place: the upper edge by `share` of the gap, the lower by the rest, times `amount`."""
        a, b = points[self.upper], points[self.lower]
        meeting = a + share * (b - a) + np.array([0, 0, bulge]) * np.sin(np.linspace(0, np.pi, len(a)))[:, None]
        at = a[self.order, 0]
        moves = []
        for follow, edge, ids in ((self.follow_upper, a, self.upper), (self.follow_lower, b, self.lower)):
            who = np.flatnonzero(follow)
            move = (meeting - edge)[self.order]
            value = np.stack([np.interp(points[who, 0], at, move[:, k]) for k in range(3)], 1)
            moves.append((who, amount * follow[who, None] * value, ids, edge + amount * (meeting - edge)))
        for who, value, _, _ in moves:
            points[who] += value
        for _, _, ids, exact in moves:
            points[ids] = exact


class FaceRig:
    """Moves one person's skin."""

    def __init__(self, plan: Layout, rest: np.ndarray, template: np.ndarray) -> None:
        """
        Args:
            rest: float [V, 3], the person's skin with the mouth slightly open; template: the same of the template.
        """
        self.rest = rest
        x, y, z = template.T
        corner = TEMPLATE[60].astype(float)
        half = abs(corner[0])
        line = np.interp(
            np.abs(x), [0, half], [(TEMPLATE[62, 1] + TEMPLATE[66, 1]) / 2, corner[1]]
        )  # height of the line between the lips
        inside = np.clip(np.abs(x) / (half * 1.02), 0, 1)
        arc = (1 - inside**2) ** 0.75
        at_corner = 0.36
        soft = 0.05 + 0.9 * np.clip(np.abs(x) - half, 0, 1)
        outside = at_corner + (1 - at_corner) * _smooth((line - y) / (soft + 0.12))
        outside = np.where(y > line, at_corner * (1 - _smooth((y - line) / (soft + 0.10))), outside)
        lower = at_corner + (1 - at_corner) * arc
        upper = at_corner * (1 - arc) * (1 - _smooth((y - line) / 0.15))
        centre = np.where(plan.lip_side > 0, upper, np.where(plan.lip_side < 0, lower, at_corner))
        deep = _smooth((line - y) / 0.22)  # the chin moves whole
        centre = np.where(plan.lip_side < 0, np.maximum(centre, deep), centre)
        blend = _smooth((np.abs(x) - half * 0.8) / (half * 0.4))
        weight = centre * (1 - blend) + outside * blend
        weight *= _smooth((0.60 - np.abs(x)) / 0.22) * _smooth((z + 0.35) / 0.45)
        self.jaw_weight = weight
        mouth = np.array([0, -0.197])
        distance = np.hypot((x - mouth[0]) / 1.25, y - mouth[1])
        self.lips_near = np.exp(-((distance / 0.12) ** 2)) * (z > 0)
        self.corners_near = np.exp(-((np.hypot(np.abs(x) - 0.15, y + 0.195) / 0.09) ** 2)) * (z > 0)
        lip_height = np.abs(y - line)
        self.lip_up = np.where(plan.lip_side > 0, np.exp(-((lip_height / 0.085) ** 2)), 0) * (1 - inside**2) * (z > 0)
        self.lip_down = np.where(plan.lip_side < 0, np.exp(-((lip_height / 0.08) ** 2)), 0) * (1 - inside**2) * (z > 0)
        self.rim = np.exp(-(((lip_height - 0.045) / 0.035) ** 2)) * (1 - inside**2) * plan.lip_side * (z > 0)
        self.brow_near = np.exp(-(((np.abs(x) - 0.22) / 0.2) ** 2) - (((y - 0.42) / 0.09) ** 2)) * (z > 0)
        self.lips = _Seam.of(template, plan.lips, plan.lip_side, 0.055, 0.06)
        self.eyes = [
            _Seam.of(
                template, pair, np.where(np.sign(x) == np.sign(template[pair[0][6], 0]), plan.eye_side, 0), 0.032, 0.02
            )
            for pair in plan.eyes
        ]

    def skin(self, e: Expression) -> np.ndarray:
        """The skin's vertices [V, 3] for one frame's expression."""
        p = self.rest.copy()
        x = self.rest[:, 0]
        for eye, amount in zip(self.eyes, (e.blink_left, e.blink_right), strict=True):
            eye.shut(p, float(amount), 0.85, 0.012)
        p[:, 1] += 0.032 * e.brow * self.brow_near
        spread = 0.20 * e.wide + 0.12 * e.smile - 0.34 * e.round
        p[:, 0] += x * spread * self.lips_near
        p[:, 2] += (0.055 * e.round - 0.02 * e.wide) * self.lips_near
        p[:, 1] += 0.045 * e.smile * self.corners_near
        p[:, 1] += 0.030 * e.upper * self.lip_up - 0.034 * e.lower * self.lip_down
        p[:, 2] -= 0.022 * max(-float(e.lower), 0.0) * self.lip_down
        p = jaw_turned(p, JAW_ANGLE * e.jaw * self.jaw_weight)
        self.lips.shut(p, float(e.close), 0.42, 0.006)
        p[:, 1] -= 0.016 * e.press * self.rim
        p[:, 2] -= 0.010 * e.press * np.abs(self.rim)
        if e.close == 1.0:
            p[self.lips.lower] = p[self.lips.upper]
        return p
