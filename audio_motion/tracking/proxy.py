"""A stand-in for the head's surface, hair included: points that poses can be aligned to the picture with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import distance_transform_edt

from audio_motion.topology import JAW
from audio_motion.tracking.bundle import Track
from audio_motion.tracking.detectors import landmarks_of
from audio_motion.tracking.geometry import Pinhole, from_c2w

OUTLINE_DEPTH = -0.3
"""z in the head frame where a line of sight grazes the head: the plane of the ears and a bit behind."""

POINTS = 3500
"""About how many points the surface is sampled with."""

MASK_MARGIN = 0.03
"""Face widths by which points stay inside the mask's outline: masks are wrong by about that much."""


@dataclass(frozen=True)
class Proxy:
    """Points on the head's surface, on a grid of the reference picture."""

    points: np.ndarray
    """float64 [N, 3], head frame."""
    rays: np.ndarray
    """float64 [N, 3]: unit directions, head frame: a point sliding along its own stays put in the reference picture."""
    cells: np.ndarray
    """int [N, 2]: column and row of each point on the grid."""
    grid: tuple[int, int]
    """Columns and rows of the grid."""
    spacing: float
    """Face widths between grid neighbours."""
    on_face: np.ndarray
    """bool [N]: inside the detector's mesh, whose depth is known; elsewhere it is a guess."""


def reference_frame(track: Track) -> int:
    """The valid frame whose camera is nearest to the clip's mean view."""
    forward = track.c2w[:, :3, 2]
    distance = np.linalg.norm(forward - np.median(forward[track.valid], axis=0), axis=1)
    return int(np.argmin(np.where(track.valid, distance, np.inf)))


def head_proxy(track: Track, mask: np.ndarray, frame: int) -> Proxy:
    """Lay the face mesh's shape under the face and continue it roundly to the outline of the head mask.

    Args:
        mask: bool [H, W]: head (hair and neck included) in picture `frame`.
    """
    height, width = mask.shape
    rotation, translation = (part[frame] for part in from_c2w(track.c2w))
    camera = Pinhole(track.fl, track.cx, track.cy)
    unit = track.fl / translation[2]  # pixels per face width

    mesh = track.mesh[:468].astype(np.float64)
    seen = mesh @ rotation.T + translation
    pixels = camera.project(seen)
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(pixels - 0.5).astype(np.int32)), (1,))
    head = np.asarray(mask, bool) | (hull > 0)

    # Neck and shoulder hair do not turn with the head: keep what lies above the jaw.
    jaw = camera.project(landmarks_of(track.mesh)[JAW] @ rotation.T + translation)
    columns = np.arange(width) + 0.5
    lowest = np.interp(columns, jaw[2:15, 0], jaw[2:15, 1])
    rows = np.arange(height)[:, None] + 0.5
    head_above = head & (rows < lowest[None])

    depth = _depth(mesh, seen, pixels, head, hull > 0, rotation, translation, camera)
    inside = distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1] > MASK_MARGIN * unit
    stride = max(1, round(np.sqrt((head_above & inside).sum() / POINTS)))
    ys, xs = np.mgrid[stride // 2 : height : stride, stride // 2 : width : stride]
    keep = (head_above & inside)[ys, xs]
    x, y = xs[keep], ys[keep]
    rays = np.column_stack([(x + 0.5 - camera.cx) / camera.fl, (y + 0.5 - camera.cy) / camera.fl, np.ones(len(x))])
    points = (rays * depth[y, x][:, None] - translation) @ rotation
    directions = rays @ rotation
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    cells = np.column_stack([x // stride, y // stride])
    grid = (xs.shape[1], xs.shape[0])
    return Proxy(points, directions, cells, grid, stride / unit, hull[y, x] > 0)


def _depth(
    mesh: np.ndarray,
    seen: np.ndarray,
    pixels: np.ndarray,
    head: np.ndarray,
    hull: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    camera: Pinhole,
) -> np.ndarray:
    """Distance along the view [H, W]: of the mesh under it; elsewhere an elliptic arc from the hull to the outline."""
    height, width = head.shape
    ys, xs = np.nonzero(hull)
    known = LinearNDInterpolator(pixels, seen[:, 2])(np.column_stack([xs + 0.5, ys + 0.5]))
    depth = np.full((height, width), np.nan)
    depth[ys, xs] = known
    missing = ~np.isfinite(depth)
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    depth = depth[tuple(nearest)]

    # Where the view grazes: the plane z = OUTLINE_DEPTH of the head frame, hit by each pixel's ray.
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([(columns - camera.cx) / camera.fl, (rows - camera.cy) / camera.fl, np.ones((height, width))], -1)
    outline = (OUTLINE_DEPTH + translation @ rotation[:, 2]) / (rays @ rotation[:, 2])
    to_outline = distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1]
    to_hull = distance_transform_edt(~hull)
    share = to_outline / np.maximum(to_outline + to_hull, 1e-6)  # 0 on the outline, 1 on the hull
    arc = np.sqrt(1 - (1 - share) ** 2)
    return np.where(hull, depth, outline + (np.minimum(depth, outline) - outline) * arc)
