"""The renderer of a head of Gaussians, for CPUs: the rasteriser's head, over the torso as `renderers.cpu` has it.

Against plain torch its pictures have 50 dB and more (`tests/geneface_ns/renderers/test_splat.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from geneface_ns.kernels.run import at_once, torch_alone
from geneface_ns.kernels.torso import torso_pixels
from geneface_ns.renderers.board import board_of
from geneface_ns.renderers.contract import Layers
from geneface_ns.renderers.packed_torso import PackedTorso, packed_torso, torso_under
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.condition import Condition
from geneface_ns.splat.head import draw_head
from geneface_ns.splat.portrait import SplatPortrait

ROWS = 8
"""Of the torso, that a thread works on at a time."""


class SplatRenderer:
    """Renders a portrait of Gaussians (see `renderers.contract.Renderer`)."""

    def __init__(self, portrait: SplatPortrait) -> None:
        self.portrait = portrait
        self.camera = portrait.camera
        self.capture_size = portrait.capture_size
        self._packed: tuple[object, PackedTorso] | None = None

    @property
    def device(self) -> torch.device:
        return self.portrait.device

    @torch.no_grad()
    def render(
        self,
        condition: Condition,
        camera: Pinhole,
        c2w: Tensor | None = None,
        underlay: Tensor | None = None,
        wanted: Tensor | None = None,
    ) -> Layers:
        """See `renderers.contract.Renderer.render`.

        Args:
            wanted: bool [H, W], the pixels that are asked for. All are drawn: a part of a picture is not quite the
                whole one's, because Gaussians beside a picture are flattened as if they stood nearer to it.
        """
        width, height = camera.size
        with torch_alone() as threads:
            head = self._head(condition, camera, condition.c2w[0] if c2w is None else c2w, threads)
            colour, opacity = head[..., :3], head[..., 3:4]
            depth = head[..., 4:] / opacity.clamp_min(1e-4)
            if underlay is not None:
                return Layers(lay_over(colour, opacity, underlay).clamp(0, 1), colour, opacity, depth, None)
            torso = torso_under(self.portrait.torso, self._torso(), condition)
            board = board_of(self.camera, camera, condition.c2w[0], c2w).numpy()
            rgb, person = torch.empty(height, width, 3), torch.empty(height, width, 4)
            flat = head.view(-1, 5).numpy(), rgb.view(-1, 3).numpy(), person.view(-1, 4).numpy()

            def some_rows(top: int) -> None:
                torso_pixels(top * width, min(top + ROWS, height) * width, board, *torso, *flat)

            at_once(some_rows, range(0, height, ROWS), threads)
        return Layers(rgb, colour, opacity, depth, person)

    def _head(self, condition: Condition, camera: Pinhole, c2w: Tensor, threads: int) -> Tensor:
        """[H, W, 5] colour premultiplied by opacity, opacity, depth premultiplied."""
        gaussians = self.portrait.head(condition)
        distance = (gaussians.means - c2w[:3, 3]).norm(dim=1, keepdim=True)
        colours = torch.cat([gaussians.colors, distance], dim=1)
        drawn, opacity = draw_head(gaussians._replace(colors=colours), camera, c2w, threads)
        return torch.cat([drawn[..., :3], opacity, drawn[..., 3:]], dim=2)

    def _torso(self) -> PackedTorso:
        """The torso packed, anew when a training has gone on since."""
        torso = self.portrait.torso
        version = [tensor._version for tensor in (*torso.parameters(), *torso.buffers())]
        if self._packed is None or self._packed[0] != version:
            self._packed = version, packed_torso(torso)
        return self._packed[1]
