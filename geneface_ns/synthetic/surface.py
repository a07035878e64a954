"""The skin of the head: a smooth surface through the 68 landmarks, as a mesh with holes at the eyes and the mouth.

Everything is laid out once in a flat chart of the head: seen from `CENTRE`, the polar angle around the face's axis
times the direction in the frontal view. A thin-plate spline from the chart to space passes through the landmarks and
through a few points of ours (forehead, cheeks, skull), so that all persons share the mesh's topology and the chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline, RBFInterpolator
from scipy.spatial import Delaunay

from audio_motion.topology import TEMPLATE
from geneface_ns.synthetic.identity import Identity

CENTRE = np.array([0.0, 0.1, -0.35])
CHART_EDGE = 2.35
"""Polar angle, radians, where the mesh ends behind the head."""

_HALF = np.array(
    [
        # forehead and temples
        *[(0, 0.52, 0.480), (0, 0.66, 0.452), (0, 0.80, 0.385), (0.2, 0.55, 0.450), (0.2, 0.68, 0.415)],
        *[(0.36, 0.56, 0.320), (0.24, 0.83, 0.320), (0.455, 0.40, 0.135), (0.46, 0.60, 0.080), (0.44, 0.30, 0.190)],
        # lids, under the eyes
        *[(0.205, 0.312, 0.398), (0.12, 0.300, 0.415), (0.29, 0.305, 0.348), (0.205, 0.195, 0.374)],
        *[(0.23, 0.13, 0.392), (0.31, 0.195, 0.325), (0.36, 0.25, 0.268), (0.105, 0.215, 0.405)],
        # nose
        *[(0.055, 0.20, 0.480), (0.075, 0.09, 0.478), (0.112, 0.01, 0.452), (0.060, 0.04, 0.556), (0.030, 0.0, 0.572)],
        *[(0.030, 0.30, 0.462), (0.14, 0.08, 0.425)],
        # cheeks
        *[(0.25, 0.05, 0.405), (0.34, 0.10, 0.320), (0.34, 0.0, 0.320), (0.42, 0.12, 0.180), (0.44, 0.0, 0.090)],
        *[(0.15, -0.01, 0.432), (0.25, -0.08, 0.385), (0.33, -0.15, 0.280), (0.41, -0.12, 0.130)],
        *[(0.16, -0.10, 0.445), (0.225, -0.18, 0.392)],
        # lips (between their borders), chin, jowls
        *[(0, -0.158, 0.508), (0.06, -0.156, 0.494), (0.115, -0.172, 0.453)],
        *[(0, -0.236, 0.494), (0.06, -0.232, 0.482), (0.115, -0.214, 0.441)],
        *[(0, -0.098, 0.506), (0.05, -0.10, 0.500), (0, -0.315, 0.452), (0.10, -0.31, 0.430), (0, -0.42, 0.472)],
        *[(0.09, -0.42, 0.450), (0.19, -0.36, 0.385), (0.27, -0.28, 0.335)],
        # under the chin, behind the jaw
        *[(0, -0.54, 0.250), (0, -0.52, 0.050), (0, -0.46, -0.150), (0.2, -0.48, 0.100), (0.3, -0.41, -0.030)],
        *[(0.385, -0.32, -0.060), (0.2, -0.42, -0.220), (0.46, -0.16, -0.140), (0.505, 0.08, -0.160)],
    ],
    dtype=np.float64,
)
_SKULL_CENTRE, _SKULL_RADII = np.array([0.0, 0.42, -0.25]), np.array([0.555, 0.68, 0.70])

EYE_CURVES = (([36, 37, 38, 39], [36, 41, 40, 39]), ([42, 43, 44, 45], [42, 47, 46, 45]))
LIP_CURVES = ([60, 61, 62, 63, 64], [60, 67, 66, 65, 64])
OUTER_LIP_CURVES = ([48, 49, 50, 51, 52, 53, 54], [48, 59, 58, 57, 56, 55, 54])


def chart(points: np.ndarray) -> np.ndarray:
    """Where points [..., 3] of the head lie in the chart [..., 2]."""
    d = points - CENTRE
    polar = np.arctan2(np.hypot(d[..., 0], d[..., 1]), d[..., 2])
    angle = np.arctan2(d[..., 1], d[..., 0])
    return polar[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)


@lru_cache(maxsize=1)
def _controls() -> np.ndarray:
    """[C, 3] template control points; the first 68 are the landmarks."""
    mirrored = _HALF[_HALF[:, 0] > 0] * [-1, 1, 1]
    face = np.concatenate([TEMPLATE.astype(np.float64), _HALF, mirrored])
    azimuth, height = np.meshgrid(np.linspace(-np.pi, np.pi, 28, endpoint=False), np.linspace(-0.9, 0.97, 11))
    ring = np.sqrt(1 - height**2)
    skull = np.stack([ring * np.sin(azimuth), height, ring * np.cos(azimuth)], -1).reshape(-1, 3)
    skull = _SKULL_CENTRE + skull * _SKULL_RADII
    flat, known = chart(skull), chart(face)
    far = np.linalg.norm(flat[:, None] - known[None], axis=-1).min(1) > 0.24
    reachable = (np.linalg.norm(flat, axis=1) < 2.75) & ~((skull[:, 1] < -0.0) & (skull[:, 2] > -0.5))
    return np.concatenate([face, skull[far & reachable]])


def shaped(points: np.ndarray, identity: Identity) -> np.ndarray:
    """Template points [N, 3] moved to a person's shape: smooth warps, one for each feature."""
    p = points.copy()
    x, y, z = points.T

    def near(cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        return np.exp(-(((np.abs(x) - cx) / sx) ** 2) - ((y - cy) / sy) ** 2) * (z > 0)

    lower = 1 / (1 + np.exp((y + 0.12) / 0.08))
    p[:, 0] *= identity.face_width * (1 + (identity.jaw_width - 1) * lower)
    p[:, 1] -= identity.chin * 1 / (1 + np.exp((y + 0.36) / 0.05))
    nose = near(0, 0.03, 0.11, 0.13)
    p[:, 0] += x * (identity.nose_width - 1) * nose
    p[:, 1] += (y - 0.29) * (identity.nose_length - 1) * near(0, -0.02, 0.10, 0.16)
    p[:, 2] += 0.09 * (identity.nose_depth - 1) * near(0, 0.06, 0.07, 0.13)
    eye = near(0.205, 0.253, 0.11, 0.07)
    side = np.sign(x)
    p[:, 0] += side * ((np.abs(x) - 0.205) * (identity.eye_size - 1) + 0.205 * (identity.eye_spacing - 1)) * eye
    p[:, 1] += (y - 0.253) * 2.5 * (identity.eye_size - 1) * eye
    p[:, 1] += identity.brow_height * near(0.23, 0.41, 0.2, 0.06)
    mouth = near(0, -0.2, 0.22, 0.10)
    p[:, 0] += x * (identity.mouth_width - 1) * mouth
    p[:, 1] += (y + 0.194) * (identity.lip_fullness - 1) * near(0, -0.2, 0.15, 0.07)
    return p


def _curve(points: np.ndarray, parts: int) -> np.ndarray:
    """A cubic through points [K, D], each segment in `parts` pieces: [(K - 1) * parts + 1, D]."""
    knots = np.arange(len(points)) * parts
    return CubicSpline(knots, points, bc_type="natural")(np.arange(knots[-1] + 1))


def _between(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Closed polygon from two curves that share their ends."""
    return np.concatenate([upper, lower[-2:0:-1]])


@dataclass(frozen=True)
class Layout:
    """The mesh in the chart, the same for everyone. The first 68 vertices are the landmarks."""

    flat: np.ndarray
    """float [V, 2]."""
    triangles: np.ndarray
    """int [F, 3], counter-clockwise seen from the front."""
    eyes: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """For each eye the vertices of the upper and the lower lid's edge, paired, corners included."""
    lips: tuple[np.ndarray, np.ndarray]
    """Vertices of the upper and the lower inner lip's edge, paired, corners included."""
    eye_side: np.ndarray
    """float [V]: +1 above the middle of the nearest eye, -1 below."""
    lip_side: np.ndarray
    """float [V]: +1 above the line between the lips, -1 below, 0 at the corners."""


@lru_cache(maxsize=1)
def layout() -> Layout:
    """Lay the mesh out in the chart (the same result every time)."""
    marks = chart(TEMPLATE.astype(np.float64))
    flat = list(marks)

    def add(points: np.ndarray) -> np.ndarray:
        start = len(flat)
        flat.extend(points)
        return np.arange(start, start + len(points))

    def add_curve(indices: list[int], parts: int) -> np.ndarray:
        points = _curve(marks[indices], parts)
        ids = np.empty(len(points), int)
        ids[::parts] = indices
        rest = np.arange(len(points)) % parts != 0
        ids[rest] = add(points[rest])
        return ids

    eyes = tuple((add_curve(up, 4), add_curve(down, 4)) for up, down in EYE_CURVES)
    lips = (add_curve(LIP_CURVES[0], 6), add_curve(LIP_CURVES[1], 6))
    outer = tuple(_curve(marks[c], 4) for c in OUTER_LIP_CURVES)
    taken = []  # polygons inside which no filler point may fall
    for inner_ids, outer_curve in zip(lips, outer, strict=True):
        inner = CubicSpline(np.linspace(0, 1, 25), np.array([flat[i] for i in inner_ids]))(np.linspace(0, 1, 25))
        for t in (0.3, 0.65, 1.0, 1.35):
            ring = inner + (outer_curve - inner) * t
            add(ring[1:-1] if t <= 1 else ring)
    taken.append((np.concatenate([outer[0], outer[1][-2:0:-1]]), 1.42))
    for upper, lower in eyes:
        for k, ids in enumerate((upper, lower)):
            edge = np.array([flat[i] for i in ids])
            middle = marks[upper[0]] * 0.5 + marks[upper[-1]] * 0.5
            for t in (1.16, 1.36, 1.62):
                ring = middle + (edge - middle) * np.array([1 + (t - 1) * 0.7, 1])
                ring[:, 1] += (t - 1) * 0.16 * (1 if k == 0 else -1) * (1 - np.linspace(-1, 1, len(ring)) ** 2)
                add(ring if k == 0 else ring[1:-1])
        polygon = _between(np.array([flat[i] for i in upper]), np.array([flat[i] for i in lower]))
        taken.append((polygon, 1.0))
    fixed = np.array(flat)

    from matplotlib.path import Path as Polygon

    step = 0.042
    grid = np.stack(np.meshgrid(np.arange(-CHART_EDGE, CHART_EDGE, step), np.arange(-CHART_EDGE, CHART_EDGE, step)), -1)
    grid[1::2, :, 0] += step / 2
    grid = grid.reshape(-1, 2)
    radius = np.linalg.norm(grid, axis=1)
    sparse = radius > 1.25
    index = np.rint(grid / step).astype(int)
    grid = grid[(radius < CHART_EDGE) & (~sparse | ((index % 2 == 0).all(1)))]
    for polygon, grow in taken:
        middle = polygon.mean(0)
        grid = grid[~Polygon(middle + (polygon - middle) * grow).contains_points(grid)]
    gap = np.linalg.norm(grid[:, None] - fixed[None], axis=-1).min(1)
    flat_all = np.concatenate([fixed, grid[gap > 0.6 * step]])

    # Sides of the lips and of the eyes, and a chart in which both stand wide open: there Delaunay respects their edges.
    opened = flat_all.copy()
    line = 0.5 * (fixed[lips[0]] + fixed[lips[1]])
    lip_side = np.sign(flat_all[:, 1] - np.interp(flat_all[:, 0], line[:, 0], line[:, 1]))
    lip_side[lips[0]], lip_side[lips[1]] = 1, -1
    lip_side[lips[0][[0, -1]]] = 0
    reach = np.abs(line[0, 0])
    bulge = np.sqrt(np.clip(1 - (flat_all[:, 0] / reach) ** 2, 0, 1))
    opened[:, 1] += 0.06 * lip_side * bulge * np.exp(-np.abs(flat_all[:, 1] - line[12, 1]) / 0.2)
    eye_side = np.zeros(len(flat_all))
    for upper, lower in eyes:
        line = 0.5 * (fixed[upper] + fixed[lower])
        here = np.abs(flat_all[:, 0] - line[6, 0]) < 0.45
        side = np.sign(flat_all[:, 1] - np.interp(flat_all[:, 0], line[:, 0], line[:, 1]))
        eye_side[here] = side[here]
        eye_side[upper], eye_side[lower] = 1, -1
        eye_side[upper[[0, -1]]] = 0
        reach = np.ptp(line[:, 0]) / 2
        bulge = np.sqrt(np.clip(1 - ((flat_all[:, 0] - line[:, 0].mean()) / reach) ** 2, 0, 1))
        opened[:, 1] += 0.04 * eye_side * bulge * np.exp(-np.abs(flat_all[:, 1] - line[6, 1]) / 0.15)
    triangles = Delaunay(opened).simplices
    middle = opened[triangles].mean(1)
    hole = np.zeros(len(triangles), bool)
    for upper, lower in (*eyes, lips):
        hole |= Polygon(_between(opened[upper], opened[lower])).contains_points(middle)
    triangles = triangles[~hole]
    a, b, c = (flat_all[triangles[:, k]] for k in range(3))
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    triangles[turn < 0] = triangles[turn < 0][:, ::-1]
    return Layout(flat_all, triangles, eyes, lips, eye_side, lip_side)  # type: ignore[arg-type]


class Surface:
    """The smooth map from the chart to one person's head, exact at the landmarks."""

    def __init__(self, identity: Identity) -> None:
        controls = _controls()
        self._spline = RBFInterpolator(chart(controls), shaped(controls, identity), kernel="thin_plate_spline")

    def __call__(self, flat: np.ndarray) -> np.ndarray:
        """Chart points [N, 2] -> head points [N, 3]."""
        return self._spline(flat)
