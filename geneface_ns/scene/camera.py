"""Pinhole cameras: rays of pixels, and where rays of any camera meet the torso's board."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Pinhole(NamedTuple):
    """A camera for whole pictures, pixels."""

    focal: tuple[float, float]
    centre: tuple[float, float]
    size: tuple[int, int]
    """Width and height."""

    def scaled_to(self, size: tuple[int, int]) -> Pinhole:
        """The same view in another picture size."""
        x, y = size[0] / self.size[0], size[1] / self.size[1]
        return Pinhole((self.focal[0] * x, self.focal[1] * y), (self.centre[0] * x, self.centre[1] * y), size)

    def window(self, box: tuple[float, float, float, float], size: tuple[int, int]) -> Pinhole:
        """The part of this view inside a box (x0, y0, x1, y1, pixels of this picture), as a picture of another size."""
        x, y = size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1])
        centre = (self.centre[0] - box[0]) * x, (self.centre[1] - box[1]) * y
        return Pinhole((self.focal[0] * x, self.focal[1] * y), centre, size)

    def directions(self, pixels: Tensor, c2w: Tensor) -> Tensor:
        """Ray directions in the head frame of flat pixel indices [N] -> [N, 3]."""
        centres = torch.stack([pixels % self.size[0], pixels // self.size[0]], dim=1) + 0.5
        return pinhole_directions(centres, self.focal, self.centre) @ c2w[:3, :3].T


def pinhole_directions(pixels: Tensor, focal: tuple[float, float], centre: tuple[float, float]) -> Tensor:
    """Unit ray directions in the camera's frame (OpenGL: looks along -z).

    Args:
        pixels: [N, 2] x, y; a pixel's centre is at +0.5.
        focal, centre: pixels.

    Returns:
        [N, 3].
    """
    x = (pixels[:, 0] - centre[0]) / focal[0]
    y = -(pixels[:, 1] - centre[1]) / focal[1]
    return F.normalize(torch.stack([x, y, -torch.ones_like(x)], dim=-1), dim=-1)


def project_to_capture(origins: Tensor, directions: Tensor, c2w: Tensor, focal: Tensor, centre: Tensor) -> Tensor:
    """Where rays of any camera meet the plane that carries the torso, in the capture camera's image.

    The torso is a picture in the capture camera's image. Under another camera it is a board through the head frame's
    origin, facing the capture camera; for the capture camera itself this is the identity.

    Args:
        origins, directions: [N, 3], head frame.
        c2w: [4, 4] the capture camera of this frame.
        focal, centre: [2], in the units of the result.

    Returns:
        [N, 2]; rays that never meet the board land far outside the image.
    """
    rotation, position = c2w[:3, :3], c2w[:3, 3]
    start = (origins - position) @ rotation
    along = directions @ rotation
    depth = -(position @ rotation)[2]  # of the head frame's origin, negative in front of the camera
    distance = (depth - start[:, 2]) / torch.where(along[:, 2].abs() < 1e-6, -1e-6, along[:, 2])
    point = start + distance[:, None] * along
    image = torch.stack([point[:, 0], -point[:, 1]], dim=1) / -depth * focal + centre
    return torch.where((distance > 0)[:, None], image, torch.full_like(image, 1e3))
