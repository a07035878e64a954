"""The head in the training frames while only the torso learns: it changes no more, so each frame is drawn once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geneface_ns.scene.draws import Rays
from geneface_ns.splat.portrait import SplatPortrait

HELD_BYTES = 1 << 29
"""Of pictures that are kept: some 4000 frames at 256², 1000 at 512². What is left over is drawn each time."""


class _Picture(NamedTuple):
    """The part of a picture that a head is in."""

    left: int
    top: int
    colour: Tensor
    """uint8 [h, w, 4] premultiplied colour, and opacity."""


class FrozenHeads:
    """Pictures of a head that has done learning."""

    def __init__(self, portrait: SplatPortrait) -> None:
        self._portrait = portrait
        self._kept: dict[float, _Picture] = {}
        """By the frame's time."""
        self._room = HELD_BYTES

    def at(self, rays: Rays, threads: int) -> Tensor:
        """The head at some pixels of the capture's own pictures.

        Args:
            threads: of the rasteriser.

        Returns:
            [N, 4] premultiplied colour, and opacity; rounded to 8 bits.
        """
        width, height = self._portrait.camera.size
        pixel = ((rays.pixel + 1) / 2 * torch.tensor([width, height])).long()
        result = torch.zeros(len(pixel), 4)
        for time in torch.unique(rays.times):
            left, top, colour = self._picture(time, threads)
            column, row = (pixel - torch.tensor([left, top])).unbind(dim=1)
            inside = (column >= 0) & (row >= 0) & (column < colour.shape[1]) & (row < colour.shape[0])
            inside &= rays.times == time
            result[inside] = colour[row[inside], column[inside]].float() / 255
        return result

    @torch.no_grad()
    def _picture(self, time: Tensor, threads: int) -> _Picture:
        known = self._kept.get(float(time))
        if known is not None:
            return known
        head = torch.cat(self._portrait.draw_head(self._portrait.table(time[None]), threads), dim=2)
        whole = (head.clamp(0, 1) * 255).round().byte()
        seen = whole[..., 3] > 0
        (top, bottom), (left, right) = (_ends(seen.any(dim=1)), _ends(seen.any(dim=0)))
        picture = _Picture(left, top, whole[top:bottom, left:right].clone())
        if picture.colour.nbytes <= self._room:
            self._room -= picture.colour.nbytes
            self._kept[float(time)] = picture
        return picture


def _ends(there: Tensor) -> tuple[int, int]:
    """First and one beyond the last of bool [N]; of none, nothing."""
    found = there.nonzero()
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)
