"""Rendering: a head's mesh over its torso over the wall, through one pinhole camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from geneface_ns.synthetic import backdrop, paint
from geneface_ns.synthetic.expression import Expression
from geneface_ns.synthetic.head import GLOSS, MATERIALS, SHININESS, Head
from geneface_ns.synthetic.identity import Identity
from geneface_ns.synthetic.raster import rasterize

DISTANCE = 6.0
"""From the camera to the head's origin at rest, face widths."""
PIVOT = np.array([0.0, -0.55, -0.25])
"""What the head turns about: the neck."""
OVERSAMPLING = 2
BACKGROUND, HEAD, TORSO = 0, 1, 2

_KEY = np.array([-0.45, 0.55, 0.70]) / np.linalg.norm([-0.45, 0.55, 0.70])
_FILL = np.array([0.75, 0.10, 0.65]) / np.linalg.norm([0.75, 0.10, 0.65])
_HALFWAY = (_KEY + np.array([0, 0, 1])) / np.linalg.norm(_KEY + np.array([0, 0, 1]))


@dataclass(frozen=True)
class Camera:
    """The one pinhole of a clip; it stands on +z and looks along -z."""

    width: int
    height: int

    @property
    def side(self) -> int:
        """The shorter side, pixels: what everything is measured by."""
        return min(self.width, self.height)

    @property
    def focal(self) -> float:
        """Pixels."""
        return 2.28 * self.side

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point, pixels."""
        return self.width / 2, self.height / 2

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [N, 3] -> pixels [N, 2] and distance along the view [N]."""
        depth = DISTANCE - points[:, 2]
        scale = self.focal / depth
        pixels = np.stack([self.centre[0] + scale * points[:, 0], self.centre[1] - scale * points[:, 1]], 1)
        return pixels, depth


def head_to_world(angles: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """4x4 of a head turned by (yaw, pitch, roll) radians about the neck and moved by `shift` [3].

    Positive yaw turns the face to the image's right, positive pitch down, positive roll clockwise in the image.
    """
    (cy, cp, cr), (sy, sp, sr) = np.cos(angles), np.sin(angles)
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    roll = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = roll @ yaw @ pitch
    matrix[:3, 3] = PIVOT - matrix[:3, :3] @ PIVOT + shift
    return matrix


def body_affine(camera: Camera, turn: float, scale: float, shift: np.ndarray) -> np.ndarray:
    """[2, 3] px: the torso at rest -> turned (radians), scaled, moved (shorter sides) about the lower middle."""
    pivot = np.array([camera.width / 2, camera.height / 2 + 0.5 * camera.side])
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    linear = np.array([[c, -s], [s, c]])
    offset = pivot - linear @ pivot + np.asarray(shift) * camera.side
    return np.concatenate([linear, offset[:, None]], 1)


class Rendered(NamedTuple):
    """One frame."""

    rgb: np.ndarray
    """uint8 [H, W, 3]."""
    labels: np.ndarray
    """uint8 [H, W]: 0 background, 1 head, 2 torso."""


class Renderer:
    """Draws one person at one size; everything that stays the same is prepared here."""

    def __init__(self, person: Identity, camera: Camera) -> None:
        self.camera = camera
        self.head = Head(person)
        self._fine = Camera(camera.width * OVERSAMPLING, camera.height * OVERSAMPLING)
        sheet = torch.from_numpy(paint.atlas(person)).permute(2, 0, 1)[None]
        self._colours, self._opacity = sheet[:, :3].contiguous(), sheet[:, 3:].contiguous()
        self._uv = self.head.uv
        self._wall = backdrop.wall(person, (self._fine.width, self._fine.height))
        layers = backdrop.torso(person, self._fine.side)
        self._torso = np.concatenate(layers, -1)

    @property
    def background(self) -> np.ndarray:
        """The scene without the person, uint8 [H, W, 3]."""
        return _to_uint8(_shrink(self._wall))

    def _texels(self, sheet: torch.Tensor, weights: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Bilinear lookup in a sheet [1, C, rows, columns] of the atlas: float32 [N, C]."""
        rows, columns = sheet.shape[2:]
        unit = _blend(self._uv, corners, weights) * np.array([2 / columns, 2 / rows], np.float32) - 1
        grid = torch.from_numpy(unit)[None, None]
        return F.grid_sample(sheet, grid, align_corners=False)[0, :, 0].T.numpy()

    def _opaque(self, chosen: np.ndarray):
        """For the rasteriser: drops the frayed parts of the hairline."""
        hair = self.head.material[chosen] == MATERIALS.index("hair")
        corners = self.head.triangles[chosen]

        def keep(triangle: np.ndarray, weights: np.ndarray) -> np.ndarray:
            solid = np.ones(len(triangle), bool)
            test = np.flatnonzero(hair[triangle])
            solid[test] = self._texels(self._opacity, weights[test], corners[triangle[test]])[:, 0] > 0.5
            return solid

        return keep

    def _warped_torso(self, body: np.ndarray) -> tuple[int, np.ndarray]:
        """The torso layers moved by `body` (px of the final picture): (first row, float32 [rows, W, 8])."""
        fine, k = self._fine, OVERSAMPLING
        first = int(fine.height / 2 + backdrop.CANVAS[1] * fine.side)
        inverse = np.linalg.inv(np.vstack([body, [0, 0, 1]]))[:2]
        # fine pixel -> final pixel -> at rest -> canvas in [-1, 1]
        to_final = np.diag([1 / k, 1 / k, 1])
        left, top = backdrop.CANVAS[:2]
        w, h = self._torso.shape[1] / fine.side, self._torso.shape[0] / fine.side
        rest = np.vstack([inverse @ to_final, [0, 0, 1]])
        unit = np.array(
            [
                [2 / w / self.camera.side, 0, -2 / w * (fine.width / 2 / fine.side + left) - 1],
                [0, 2 / h / self.camera.side, -2 / h * (fine.height / 2 / fine.side + top) - 1],
            ]
        )
        matrix = torch.from_numpy((unit @ rest).astype(np.float32))
        x = torch.arange(fine.width) + 0.5
        y = torch.arange(first, fine.height) + 0.5
        grid = matrix[:, 0] * x[None, :, None] + matrix[:, 1] * y[:, None, None] + matrix[:, 2]
        source = torch.from_numpy(self._torso).permute(2, 0, 1)[None]
        moved = F.grid_sample(source, grid[None], align_corners=False)[0].permute(1, 2, 0)
        return first, moved.numpy()

    def torso(self, body: np.ndarray) -> np.ndarray:
        """The torso alone, the part behind the head included: float32 [H, W, 4], straight alpha."""
        first, layers = self._warped_torso(body)
        front, rear = layers[..., :4], layers[..., 4:]
        full = np.zeros((self._fine.height, self._fine.width, 4), np.float32)
        full[first:] = front + rear * (1 - front[..., 3:])
        full = _shrink(full)
        full[..., :3] /= np.maximum(full[..., 3:], 1e-6)
        return full

    def render(self, e: Expression, pose: np.ndarray, body: np.ndarray) -> Rendered:
        """One frame.

        Args:
            e: one frame's expression; pose: 4x4 head to world (template's frame and unit);
            body: [2, 3] px, torso at rest -> this frame.
        """
        head, fine = self.head, self._fine
        points = head.vertices(e)
        normals = head.normals(points)
        world = points @ pose[:3, :3].T + pose[:3, 3]
        pixels, depth = fine.project(world)
        # The neck's lower end moves with the torso.
        neck = head.neck
        still, _ = fine.project(points[neck])
        still = still @ body[:, :2].T + body[:, 2] * OVERSAMPLING
        share = np.clip((-0.35 - points[neck, 1]) / 0.6, 0, 1)[:, None]
        pixels[neck] += share**2 * (3 - 2 * share) * (still - pixels[neck])

        a, b, c = (pixels[head.triangles[:, k]] for k in range(3))
        facing = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] < 0
        chosen = np.flatnonzero(facing | head.two_sided)
        triangles = head.triangles[chosen]
        seen = rasterize(pixels, depth, triangles, (fine.width, fine.height), self._opaque(chosen))
        corners = triangles[seen.triangle]
        material = head.material[chosen[seen.triangle]]

        colour = self._texels(self._colours, seen.weights, corners)
        turned = normals @ pose[:3, :3].T.astype(np.float32)
        packed = np.concatenate([turned, head.shade[:, None]], 1)
        values = _blend(packed, corners, seen.weights)
        normal, shade = values[:, :3], values[:, 3]
        normal = normal / np.sqrt(np.maximum(np.einsum("nk,nk->n", normal, normal), 1e-12))[:, None]
        flipped = (normal[:, 2] < 0) & head.two_sided[chosen[seen.triangle]]
        normal[flipped] *= -1
        key = np.clip((normal @ _KEY + 0.25) / 1.25, 0, 1)
        fill = np.clip((normal @ _FILL + 0.4) / 1.4, 0, 1)
        light = 0.34 + 0.58 * key + 0.20 * fill + 0.06 * normal[:, 1]
        shine = GLOSS[material] * np.clip(normal @ _HALFWAY, 0, 1) ** SHININESS[material]
        lit = colour * (light * shade)[:, None] + (shine * shade)[:, None]

        first, layers = self._warped_torso(body)
        front, rear = layers[..., :4], layers[..., 4:]
        picture = self._wall.copy()
        below = picture[first:]
        below *= 1 - rear[..., 3:]
        below += rear[..., :3]
        is_head = np.zeros(fine.width * fine.height, np.float32)
        over = np.zeros(fine.width * fine.height, bool)
        picture.reshape(-1, 3)[seen.pixel] = lit
        is_head[seen.pixel] = 1
        over[seen.pixel] = ~np.isin(material, (MATERIALS.index("neck"), MATERIALS.index("curtain")))
        is_head, over = (m.reshape(fine.height, fine.width) for m in (is_head, over))
        cover = front[..., 3:] * ~over[first:, :, None]
        picture[first:] = picture[first:] * (1 - cover) + front[..., :3] * ~over[first:, :, None]
        is_torso = np.zeros_like(is_head)
        is_torso[first:] = np.maximum(cover[..., 0], rear[..., 3] * (1 - is_head[first:]))
        is_head[first:] *= 1 - cover[..., 0]
        head_share, torso_share = _shrink(is_head), _shrink(is_torso)
        labels = np.where(torso_share > head_share, TORSO, HEAD).astype(np.uint8)
        labels[1 - head_share - torso_share >= np.maximum(head_share, torso_share)] = BACKGROUND
        return Rendered(_to_uint8(_shrink(picture)), labels)


def _blend(values: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values [V, C] at corners [N, 3], mixed by weights [N, 3]: [N, C]."""
    total = values[corners[:, 0]] * weights[:, :1]
    total += values[corners[:, 1]] * weights[:, 1:2]
    total += values[corners[:, 2]] * weights[:, 2:]
    return total


def _shrink(picture: np.ndarray) -> np.ndarray:
    """Average over OVERSAMPLING x OVERSAMPLING blocks, [H, W, ...]."""
    k = OVERSAMPLING
    total = picture[0::k, 0::k].copy()
    for dy in range(k):
        for dx in range(k):
            if dy or dx:
                total += picture[dy::k, dx::k]
    return total / (k * k)


def _to_uint8(picture: np.ndarray) -> np.ndarray:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
