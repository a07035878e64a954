"""Procedural textures: skin, brows, lips, hair, eyes, teeth, all in one atlas."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from audio_motion.topology import TEMPLATE
from geneface_ns.synthetic.identity import Identity
from geneface_ns.synthetic.surface import EYE_CURVES, LIP_CURVES, OUTER_LIP_CURVES, _between, _curve, chart

ATLAS = (1536, 1024)
"""Rows, columns."""
SKIN = (0, 0, 1024)
"""Tile: first row, first column, side (texels)."""
HAIR = (1024, 0, 512)
EYE = (1024, 512, 256)
TEETH = (1280, 512, 256)
MOUTH = (1024, 768, 128)
NECK = (1152, 768, 256)
CHART_SPAN = 1.8
"""The skin tile shows the chart in [-CHART_SPAN, CHART_SPAN]."""


def skin_uv(flat: np.ndarray) -> np.ndarray:
    """Chart [N, 2] -> atlas texels (column, row) [N, 2]."""
    side = SKIN[2]
    unit = np.clip(flat / CHART_SPAN, -0.995, 0.995)
    return np.stack([(unit[:, 0] + 1) / 2 * side, (1 - unit[:, 1]) / 2 * side], 1)


def tile_uv(tile: tuple[int, int, int], unit: np.ndarray) -> np.ndarray:
    """[N, 2] in [0, 1] (right, down) -> atlas texels, half a texel inside the tile."""
    row, column, side = tile
    return np.array([column, row]) + 1 + np.clip(unit, 0, 1) * (side - 2)


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float | tuple[float, float]) -> np.ndarray:
    """Smooth noise of unit variance, [H, W]."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return field / field.std()


def _area(polygon: np.ndarray, blur: float) -> np.ndarray:
    """Soft mask [side, side] of a chart polygon."""
    side = SKIN[2]
    picture = Image.new("L", (side * 2, side * 2))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in skin_uv(polygon) * 2], fill=255)
    mask = np.asarray(picture, np.float32).reshape(side, 2, side, 2).mean((1, 3)) / 255
    return gaussian_filter(mask, blur)


def _line(points: np.ndarray, width: float, blur: float) -> np.ndarray:
    side = SKIN[2]
    picture = Image.new("L", (side * 2, side * 2))
    ImageDraw.Draw(picture).line([tuple(p) for p in skin_uv(points) * 2], fill=255, width=max(1, round(width * 2)))
    mask = np.asarray(picture, np.float32).reshape(side, 2, side, 2).mean((1, 3)) / 255
    return gaussian_filter(mask, blur)


def _spot(x: float, y: float, z: float, sx: float, sy: float) -> np.ndarray:
    """Gaussian around a template point, mirrored too; radii in chart units."""
    side = SKIN[2]
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    u, v = axis[None] * CHART_SPAN, -axis[:, None] * CHART_SPAN
    cu, cv = chart(np.array([x, y, z]))
    return np.exp(-(((np.abs(u) - cu) / sx) ** 2) - ((v - cv) / sy) ** 2)


def _mix(base: np.ndarray, colour, mask: np.ndarray) -> np.ndarray:
    return base + (np.asarray(colour) - base) * np.clip(mask, 0, 1)[..., None]


def _skin(person: Identity, rng: np.random.Generator) -> np.ndarray:
    side = SKIN[2]
    shape = (side, side)
    skin = np.array(person.skin)
    marks = chart(TEMPLATE.astype(np.float64))
    grain = 0.022 * noise(rng, shape, 14) + 0.016 * noise(rng, shape, 4) + 0.012 * noise(rng, shape, 1.6)
    picture = np.ones((*shape, 3)) * skin
    red = skin * [1.02, 0.80, 0.78]
    picture = _mix(picture, red, 0.55 * _spot(0.28, 0.03, 0.37, 0.24, 0.20))
    picture = _mix(picture, red, 0.40 * _spot(0.0, 0.03, 0.60, 0.14, 0.10))
    picture = _mix(picture, red, 0.25 * _spot(0.0, -0.42, 0.47, 0.20, 0.12))
    picture = _mix(picture, skin * [0.80, 0.74, 0.76], 0.45 * _spot(0.21, 0.20, 0.375, 0.14, 0.045))
    picture = _mix(picture, skin * [0.80, 0.72, 0.70], 0.60 * _spot(0.20, 0.305, 0.39, 0.15, 0.045))
    picture = _mix(picture, skin * [0.70, 0.60, 0.60], 0.40 * _spot(0.11, 0.25, 0.39, 0.05, 0.06))
    picture = _mix(picture, skin * [0.74, 0.66, 0.64], 0.50 * _spot(0.0, -0.305, 0.455, 0.13, 0.035))
    picture = _mix(picture, skin * [0.76, 0.68, 0.66], 0.50 * _spot(0.115, 0.02, 0.455, 0.022, 0.06))
    picture = _mix(picture, skin * 0.78, 0.35 * _spot(0.0, -0.105, 0.506, 0.022, 0.05))
    picture = _mix(picture, skin * [0.28, 0.18, 0.18], 0.95 * _spot(0.040, -0.026, 0.510, 0.030, 0.016))
    # stubble
    beard = np.clip(_spot(0.16, -0.38, 0.38, 0.42, 0.24) + _spot(0.0, -0.10, 0.505, 0.20, 0.05), 0, 1)
    dots = np.clip(noise(rng, shape, 0.8) * 0.5 + 0.6, 0, 1)
    picture = _mix(picture, np.array(person.hair) * 0.6 + 0.08, person.stubble * 0.42 * beard * dots)
    # freckles and a few moles
    count = int(260 * person.freckles)
    freckle = np.zeros(shape)
    spots = rng.normal(0, 1, (count, 2)) * [130, 55] + [side / 2, side * 0.515]
    for column, row in spots.astype(int):
        freckle[np.clip(row, 2, side - 3), np.clip(column, 2, side - 3)] += rng.uniform(4, 14)
    picture = _mix(picture, skin * [0.62, 0.47, 0.40], gaussian_filter(freckle, 1.5) * 0.4)
    moles = np.zeros(shape)
    for _ in range(5):
        column, row = (rng.normal(0, 1, 2) * [140, 170] + [side / 2, side * 0.55]).astype(int)
        moles[np.clip(row, 0, side - 1), np.clip(column, 0, side - 1)] = 1
    picture = _mix(picture, skin * [0.45, 0.33, 0.30], gaussian_filter(moles, 2.4) * 36 * 0.8)
    # lips
    curves = [_curve(marks[c], 8) for c in OUTER_LIP_CURVES]
    lips = _area(_between(*curves), 2.0)
    red = np.clip(skin * 0.45 + np.array([0.72, 0.33, 0.34]) * 0.5, 0, 1) * (0.72 + 0.28 * skin[0])
    wrinkles = 1 + 0.06 * noise(rng, shape, (9, 1.2))
    picture = picture + (red * wrinkles[..., None] - picture) * (0.85 * lips)[..., None]
    for inner in LIP_CURVES:
        picture = _mix(picture, red * [0.55, 0.40, 0.42], 0.7 * _line(_curve(marks[inner], 8), 5, 2.0))
    # brows: a tapering band of hairs
    for ids in ([17, 18, 19, 20, 21], [22, 23, 24, 25, 26]):
        line = _curve(marks[ids], 8) - [0, 0.012]
        taper = np.sin(np.linspace(0.25, 2.75, len(line))) ** 0.6
        taper = taper if ids[0] == 22 else taper[::-1]
        thick = 0.034 * person.brow_thickness * np.clip(taper, 0.15, 1)[:, None] * [0, 1]
        band = _area(np.concatenate([line + thick, (line - thick)[::-1]]), 3.0)
        hairs = np.clip(0.85 + 0.35 * noise(rng, shape, (4, 1.1)), 0, 1)
        picture = _mix(picture, np.array(person.hair) * 0.72 * [1.0, 0.95, 0.9], 0.85 * band * hairs)
    # lash lines and creases of the lids
    for upper, lower in EYE_CURVES:
        top, bottom = _curve(marks[upper], 8), _curve(marks[lower], 8)
        picture = _mix(picture, [0.10, 0.07, 0.06], 1.1 * _line(top + np.array([0, 0.004]), 6.5, 1.2))
        picture = _mix(picture, skin * [0.45, 0.33, 0.30], 0.8 * _line(bottom - [0, 0.003], 3, 1.2))
        arch = np.sin(np.linspace(0, np.pi, len(top)))[:, None] * [0, 0.028] + [0, 0.022]
        picture = _mix(picture, skin * [0.60, 0.48, 0.44], 0.6 * _line(top + arch, 3, 1.8))
    return picture * (1 + grain[..., None] * [0.9, 1.0, 1.05])


def _hair(person: Identity, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Colour [S, S, 3] and opacity [S, S]; strands run down the rows, the first rows fray into the hairline."""
    shape = (HAIR[2], HAIR[2])
    strands = 0.17 * noise(rng, shape, (40, 1.0)) + 0.12 * noise(rng, shape, (60, 4)) + 0.05 * noise(rng, shape, 2)
    picture = np.array(person.hair) * (1 + strands[..., None])
    depth = np.linspace(0, 1, shape[0])[:, None]
    fray = 0.035 + 0.016 * noise(rng, shape, (8, 1.2)) + 0.012 * noise(rng, shape, (20, 4))
    return picture, np.clip(0.5 + (depth - fray) * 15, 0, 1)


def _eye(person: Identity, rng: np.random.Generator) -> np.ndarray:
    """Seen along the gaze; the tile's half side is 60 degrees away from it."""
    side = EYE[2]
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    u, v = np.meshgrid(axis, axis)
    angle = np.hypot(u, v) * 60
    turn = np.arctan2(v, u)
    white = np.ones((side, side, 3)) * [0.80, 0.77, 0.76]
    white = _mix(white, [0.82, 0.55, 0.50], np.clip((angle - 38) / 30, 0, 0.8))
    rays = 1 + 0.22 * np.sin(turn * 31 + 2 * np.sin(turn * 7)) + 0.1 * noise(rng, (side, side), 2)
    iris = np.array(person.iris) * rays[..., None] * (0.8 + 0.5 * np.clip(angle / 22, 0, 1))[..., None]
    iris = _mix(iris, np.array(person.iris) * 0.3, np.clip((angle - 18) / 4, 0, 1))
    picture = _mix(white, iris, np.clip((22.5 - angle) / 1.5, 0, 1))
    return _mix(picture, [0.03, 0.03, 0.03], np.clip((8.5 - angle) / 1.2, 0, 1))


def _teeth() -> np.ndarray:
    """Teeth side by side in columns; rows go from gum to edge."""
    side = TEETH[2]
    x = np.linspace(-1, 1, side)
    edges = np.cumsum([0.0, 0.155, 0.125, 0.135, 0.13, 0.13, 0.17])
    gap = np.min(np.abs(np.abs(x)[:, None] - edges), axis=1)
    line = np.exp(-((gap / 0.012) ** 2))[None]
    y = np.linspace(0, 1, side)[:, None]
    picture = np.ones((side, side, 3)) * [0.93, 0.90, 0.84] * (1 - 0.35 * np.abs(x)[None] ** 2)[..., None]
    picture = _mix(picture, [0.45, 0.36, 0.33], line * (0.5 + 0.4 * y))
    return _mix(picture, [0.72, 0.38, 0.38], np.clip((0.30 - y + 0.08 * np.cos(gap / 0.07 * 3)[None]) / 0.06, 0, 1))


@lru_cache(maxsize=2)
def atlas(person: Identity) -> np.ndarray:
    """All textures of a person: float32 [rows, columns, 4], RGB and opacity in [0, 1]; kept, so do not write to it."""
    rng = np.random.default_rng([person.seed, 3])
    sheet = np.zeros((*ATLAS, 4))
    sheet[..., 3] = 1

    def put(tile: tuple[int, int, int], picture: np.ndarray) -> None:
        row, column, side = tile
        sheet[row : row + side, column : column + side, :3] = np.clip(picture, 0, 1)

    put(SKIN, _skin(person, rng))
    colour, opacity = _hair(person, rng)
    put(HAIR, colour)
    sheet[HAIR[0] : HAIR[0] + HAIR[2], HAIR[1] : HAIR[1] + HAIR[2], 3] = opacity
    put(EYE, _eye(person, rng))
    put(TEETH, _teeth())
    flesh = 1 + 0.1 * noise(rng, (MOUTH[2], MOUTH[2]), 6)
    put(MOUTH, np.array([0.62, 0.26, 0.26]) * flesh[..., None])
    side = NECK[2]
    grain = 0.02 * noise(rng, (side, side), 10) + 0.015 * noise(rng, (side, side), 2)
    put(NECK, np.array(person.skin) * np.array([0.98, 0.94, 0.93]) * (1 + grain[..., None]))
    return sheet.astype(np.float32)
