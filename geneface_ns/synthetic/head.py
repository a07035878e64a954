"""The whole head as one triangle mesh: skin, eyes, mouth interior, ears, hair, neck; its vertices for any face."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.sparse import csr_matrix

from audio_motion.topology import TEMPLATE
from geneface_ns.synthetic import paint
from geneface_ns.synthetic.expression import JAW_ANGLE, Expression, FaceRig, jaw_turned
from geneface_ns.synthetic.identity import Identity
from geneface_ns.synthetic.surface import Surface, layout, shaped

MATERIALS = ("skin", "neck", "eye", "mouth", "teeth", "hair", "curtain")
GLOSS = np.array([0.10, 0.05, 0.55, 0.25, 0.30, 0.10, 0.10], np.float32)
SHININESS = np.array([14, 10, 90, 40, 40, 10, 10], np.float32)


def _grid_triangles(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Triangles of a grid of vertices, row after row; `closed` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, b, a + columns, b + columns], -1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 2, 1]], quads[:, [1, 2, 3]]])


def _mesh(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of u (columns) and v (rows), row after row, each [len(v) * len(u)]."""
    vv, uu = np.meshgrid(v, u, indexing="ij")
    return uu.ravel(), vv.ravel()


@lru_cache(maxsize=1)
def _template_skin() -> np.ndarray:
    neutral = Identity.from_seed(0)
    changes = {"seed": 0, "chin": 0.0, "brow_height": 0.0}
    ones = ("face_width", "jaw_width", "nose_width", "nose_length", "nose_depth", "eye_size", "eye_spacing")
    changes |= dict.fromkeys((*ones, "mouth_width", "lip_fullness"), 1.0)
    return Surface(Identity(**{**neutral.__dict__, **changes}))(layout().flat)


class Head:
    """One person's head. Vertices are in the template's frame and unit; the first 68 are the landmarks."""

    def __init__(self, person: Identity) -> None:
        self.person = person
        plan = layout()
        skin = Surface(person)(plan.flat)
        self._rig = FaceRig(plan, skin, _template_skin())
        self._points: list[np.ndarray] = []
        self._uv: list[np.ndarray] = []
        self._shade: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._materials: list[np.ndarray] = []
        self._followers: list[tuple[slice, np.ndarray, np.ndarray]] = []
        self._count = 0

        def skin_shade() -> np.ndarray:
            y, z = _template_skin()[:, 1], _template_skin()[:, 2]
            under_chin = np.clip((-0.47 - y) / 0.06, 0, 1) * np.clip((0.37 - z) / 0.15, 0, 1)
            return 1 - 0.5 * under_chin

        self.skin = self._add("skin", skin, paint.skin_uv(plan.flat), plan.triangles, skin_shade())
        self._add_mouth(skin)
        self.eyes = [self._add_eye(skin, pair) for pair in plan.eyes]
        self._add_ears()
        self._add_hair(skin)
        self.neck = self._add_neck()

        self.rest = np.concatenate(self._points)
        self.uv = np.concatenate(self._uv).astype(np.float32)
        self.shade = np.concatenate(self._shade).astype(np.float32)
        self.triangles = np.concatenate(self._faces)
        self.material = np.concatenate(self._materials)
        """int [F], index into MATERIALS."""
        self.two_sided = np.isin(self.material, [MATERIALS.index(m) for m in ("mouth", "teeth", "curtain", "hair")])
        faces = np.arange(len(self.triangles)).repeat(3)
        ones = np.ones(len(faces), np.float32)
        self._incidence = csr_matrix((ones, (self.triangles.ravel(), faces)), (len(self.rest), len(self.triangles)))

    def _add(self, material: str, points, uv, triangles, shade) -> slice:
        here = slice(self._count, self._count + len(points))
        self._points.append(np.asarray(points, np.float64))
        self._uv.append(uv)
        self._shade.append(np.broadcast_to(shade, len(points)))
        self._faces.append(np.asarray(triangles) + self._count)
        self._materials.append(np.full(len(triangles), MATERIALS.index(material)))
        self._count += len(points)
        return here

    def _follow(self, material: str, ring: np.ndarray, offsets: list[np.ndarray], uv, shades) -> slice:
        """A strip of rows that hang on skin vertices `ring` at fixed offsets [n, 3]."""
        ids, offset = np.tile(ring, len(offsets)), np.concatenate(offsets)
        triangles = _grid_triangles(len(offsets), len(ring), closed=True)
        part = self._add(material, np.zeros((len(ids), 3)), uv(len(ids)), triangles, np.repeat(shades, len(ring)))
        self._followers.append((part, ids, offset))
        return part

    def _add_mouth(self, skin: np.ndarray) -> None:
        upper, lower = layout().lips
        ring = np.concatenate([upper, lower[-2:0:-1]])
        lift = np.concatenate([np.ones(len(upper)), -np.ones(len(lower) - 2)])
        arc = np.sqrt(np.clip(1 - (skin[ring, 0] / np.abs(skin[upper[0], 0])) ** 2, 0, 1))
        away = np.stack([np.zeros(len(ring)), lift * arc, np.zeros(len(ring))], 1)
        back = np.array([0, 0, -1.0])
        steps = ((0.0, 0.0), (0.012, 0.02), (0.022, 0.08), (0.05, 0.16), (0.02, 0.22))
        rows = [away * out + back * deep for out, deep in steps]
        rows.append(-skin[ring] + [0, -0.2, 0.2])

        def flesh(count: int) -> np.ndarray:
            u = np.linspace(0, 1, len(ring))
            return paint.tile_uv(paint.MOUTH, np.stack([np.tile(u, count // len(ring)), np.linspace(0, 1, count)], 1))

        part = self._follow("mouth", ring, rows, flesh, [0.85, 0.65, 0.45, 0.28, 0.18, 0.12])
        self._throat = slice(part.stop - len(ring), part.stop)
        teeth = []
        for y0, y1, z0 in ((-0.115, -0.197, 0.440), (-0.285, -0.208, 0.428)):
            u, v = _mesh(np.linspace(-1, 1, 25), np.linspace(0, 1, 5))
            x = u * 0.118
            points = np.stack([x, y0 + (y1 - y0) * v, z0 - 3.2 * x**2 - 0.01 * v], 1)
            points = shaped(points, self.person)
            unit = np.stack([(u + 1) / 2, 0.25 + 0.75 * v], 1)
            shade = 0.88 * (1 - 0.35 * np.abs(u))
            teeth.append(
                self._add("teeth", points, paint.tile_uv(paint.TEETH, unit), _grid_triangles(5, 25, False), shade)
            )
        self.lower_teeth = teeth[1]
        turn, rise = _mesh(np.linspace(0, 2 * np.pi, 24, endpoint=False), np.linspace(-1.5, 1.5, 12))
        ball = np.stack([np.cos(rise) * np.sin(turn), np.sin(rise), np.cos(rise) * np.cos(turn)], 1)
        tongue = np.array([0, -0.250, 0.30]) + ball * [0.085, 0.032, 0.125]
        unit = np.stack([turn / 2 / np.pi, rise / 3 + 0.5], 1)
        shade = 0.25 + 0.65 * np.clip(ball[:, 2], 0, 1)
        self.tongue = self._add("mouth", tongue, paint.tile_uv(paint.MOUTH, unit), _grid_triangles(12, 24, True), shade)

    def _add_eye(self, skin: np.ndarray, pair: tuple[np.ndarray, np.ndarray]) -> tuple[slice, np.ndarray, np.ndarray]:
        """Returns the vertices, the centre [3] and the points around it at gaze 0 [n, 3]."""
        upper, lower = pair
        corners = skin[upper[[0, -1]]]
        radius = 0.60 * np.linalg.norm(corners[1] - corners[0])
        middle = 0.5 * (skin[upper[6]] + skin[lower[6]])
        centre = np.array([corners[:, 0].mean(), middle[1], middle[2] - radius + 0.001])
        turn, polar = _mesh(np.linspace(0, 2 * np.pi, 32, endpoint=False), np.deg2rad(np.linspace(0.5, 88, 14)))
        ball = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], 1)
        reach = np.clip(np.rad2deg(polar) / 60, 0, 1)
        unit = 0.5 + 0.5 * np.stack([reach * np.cos(turn), -reach * np.sin(turn)], 1)
        part = self._add(
            "eye", centre + radius * ball, paint.tile_uv(paint.EYE, unit), _grid_triangles(14, 32, True), 0.9
        )
        ring = np.concatenate([upper, lower[-2:0:-1]])
        inward = np.array([0, 0, -1.0])
        rows = [np.zeros((len(ring), 3)), np.tile(0.03 * inward, (len(ring), 1))]
        uv = self._uv[0][ring]
        self._follow("skin", ring, rows, lambda count: np.tile(uv, (2, 1)), [0.8, 0.6])
        return part, centre, radius * ball

    def _add_ears(self) -> None:
        for side in (-1, 1):
            turn, rise = _mesh(np.linspace(0, 2 * np.pi, 28, endpoint=False), np.linspace(-1.5, 1.5, 15))
            a, b, c = np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)
            width = 0.085 * (1 + 0.25 * b)
            p = np.stack([0.030 * c * 1.0, 0.150 * b, width * a], 1)
            lean = np.deg2rad(28)
            x, z = p[:, 0] * np.cos(lean) - p[:, 2] * np.sin(lean), p[:, 0] * np.sin(lean) + p[:, 2] * np.cos(lean)
            p = np.stack([side * (x + 0.545), p[:, 1] + 0.125, z - 0.13], 1)
            p[:, 0] *= self.person.face_width
            hollow = np.exp(-(((np.hypot(a - 0.1, b * 1.1)) / 0.5) ** 2)) * (c > 0)
            unit = np.stack([turn / 2 / np.pi, rise / 3 + 0.5], 1)
            triangles = _grid_triangles(15, 28, True)
            self._add("skin", p, paint.tile_uv(paint.NECK, unit), triangles[:, ::side], (0.92 - 0.38 * hollow))

    def _add_hair(self, skin: np.ndarray) -> None:
        person = self.person
        rng = np.random.default_rng([person.seed, 4])
        columns, rows = 120, 26
        azimuth = np.linspace(-np.pi, np.pi, columns, endpoint=False)
        degrees = np.array([-90, -60, -25, -5, 10, 35, 60, 90])
        line = np.array([1.95, 1.85, 1.62, 1.22, 1.03, 0.89, 0.76, 0.70]) + rng.normal(0, 0.015)
        folded = np.rad2deg(np.arcsin(np.sin(azimuth)))
        start = np.interp(folded, degrees, line)
        side = 1 if rng.random() < 0.5 else -1
        start = start - 0.05 * np.exp(-(((azimuth - np.pi / 2 - side * 0.5) / 0.25) ** 2))
        t = np.linspace(0, 1, rows) ** 1.3
        polar = start[None] + (2.30 - start[None]) * t[:, None]
        flat = polar[..., None] * np.stack([np.cos(azimuth), np.sin(azimuth)], -1)[None]
        points = Surface(person)(flat.reshape(-1, 2))
        out = points - [0, 0.30, -0.25]
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        wave = sum(np.sin(azimuth * k + rng.uniform(0, 6)) / k for k in (5, 9, 14))
        top = np.clip(np.sin(azimuth) * 0.7 + 0.6, 0.25, 1.2)
        rise = 1 - np.exp(-(polar - start[None]) / 0.13)
        thick = person.hair_volume * rise * top[None] * (1 + 0.07 * wave[None] * rise) + 0.012
        points = points + out * thick.reshape(-1, 1)
        unit = np.stack([np.tile(azimuth / 2 / np.pi + 0.5, rows), np.repeat(t**0.6, columns)], 1)
        shade = 0.75 + 0.25 * np.repeat(np.clip(t * 6, 0, 1), columns)
        triangles = _grid_triangles(rows, columns, True)
        # The seam of the tile lies behind the chin; repeat its column instead of wrapping the texture.
        wide = np.ptp(unit[triangles, 0], axis=1) > 0.5
        self._add("hair", points, paint.tile_uv(paint.HAIR, unit), triangles[~wide], shade)
        if person.hair_style == "short":
            return
        end = -0.42 if person.hair_style == "bob" else -1.05
        angle, v = _mesh(np.linspace(-1, 1, 72), np.linspace(0, 1, 20))
        psi = angle * np.deg2rad(118)
        ripple = sum(np.sin(angle * k + rng.uniform(0, 6)) for k in (11, 17, 29)) * 0.012 * (0.3 + v)
        bell = 0.84 + 0.16 * np.clip(v / 0.3, 0, 1) ** 0.7 + 0.08 * np.sin(np.pi * v * 0.9) - 0.14 * v**3
        radius = (0.575 * person.face_width + 0.5 * person.hair_volume) * bell + ripple
        y = 0.62 + (end - 0.62) * v + 0.03 * np.sin(angle * 23) * v
        points = np.stack([radius * np.sin(psi), y, -0.2 - 1.1 * radius * np.cos(psi)], 1)
        unit = np.stack([angle * 0.5 + 0.5, 0.15 + 0.8 * v], 1)
        front = np.clip((np.abs(angle) - 0.55) / 0.3, 0, 1)
        shade = (0.35 + 0.55 * front) * (1 - 0.25 * v)
        self._add("curtain", points, paint.tile_uv(paint.HAIR, unit), _grid_triangles(20, 72, False), shade)

    def _add_neck(self) -> slice:
        turn, v = _mesh(np.linspace(0, 2 * np.pi, 48, endpoint=False), np.linspace(0, 1, 28))
        y = -0.15 - 1.2 * v
        flare = np.clip((v - 0.45) / 0.55, 0, 1) ** 2
        rx, rz = 0.315 + 0.16 * flare, 0.27 + 0.02 * flare
        points = np.stack([rx * np.sin(turn), y, -0.13 - 0.05 * v + rz * np.cos(turn)], 1)
        points[:, 0] *= 0.5 + 0.5 * self.person.jaw_width
        tendon = np.exp(-(((np.abs(np.sin(turn)) - 0.45) / 0.12) ** 2)) * (np.cos(turn) > 0)
        shadow = 1 - 0.52 * np.exp(-(((y + 0.42) / 0.20) ** 2))
        unit = np.stack([np.abs(turn / np.pi - 1), v], 1)
        return self._add(
            "neck", points, paint.tile_uv(paint.NECK, unit), _grid_triangles(28, 48, True), shadow * (1 - 0.05 * tendon)
        )

    def vertices(self, e: Expression) -> np.ndarray:
        """All vertices [V, 3] for one frame's expression."""
        p = self.rest.copy()
        skin = self._rig.skin(e)
        p[self.skin] = skin
        for part, ids, offset in self._followers:
            p[part] = skin[ids] + offset
        p[self._throat] = p[self._throat].mean(0)  # one point, so that the cavity stays closed
        angle = np.asarray(JAW_ANGLE * e.jaw)
        p[self.lower_teeth] = jaw_turned(p[self.lower_teeth], angle)
        tongue = p[self.tongue] + np.array([0, 0.055, 0.03]) * e.tongue
        p[self.tongue] = jaw_turned(tongue, angle * (1 - 0.5 * e.tongue))
        cx, sx, cy, sy = np.cos(e.gaze_x), np.sin(e.gaze_x), np.cos(e.gaze_y), np.sin(e.gaze_y)
        turn = np.array([[cx, 0, sx], [0, 1, 0], [-sx, 0, cx]]) @ np.array([[1, 0, 0], [0, cy, sy], [0, -sy, cy]])
        for part, centre, ball in self.eyes:
            p[part] = centre + ball @ turn.T
        return p

    def normals(self, points: np.ndarray) -> np.ndarray:
        """Unit normals [V, 3], the mean of the triangles around."""
        a, b, c = (points[self.triangles[:, k]] for k in range(3))
        n = self._incidence @ np.cross(b - a, c - a).astype(np.float32)
        return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)

    def landmarks(self, e: Expression) -> np.ndarray:
        """The 68 landmarks [68, 3], in the template's frame and unit."""
        return self._rig.skin(e)[: len(TEMPLATE)]
