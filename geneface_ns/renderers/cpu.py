"""The renderer for CPUs: the portrait's own weights through kernels, on as many threads as torch has.

Against the reference its pictures have 55 dB and more (docs/benchmarks.md): the levels of planes are merged into one,
a ray ends where a thousandth of the light is left, all else differs by rounding.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from geneface_ns.kernels.head import SQUARE, head_rows
from geneface_ns.kernels.run import at_once, torch_alone
from geneface_ns.kernels.torso import torso_pixels
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.renderers.board import board_of
from geneface_ns.renderers.contract import Layers
from geneface_ns.renderers.packed import Packed, packed, under
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.condition import Condition


class CpuRenderer:
    """Renders a portrait that lies on the CPU (see `renderers.contract.Renderer`)."""

    def __init__(self, portrait: Portrait) -> None:
        self.portrait = portrait
        self.camera = portrait.camera
        self.capture_size = portrait.capture_size
        self._packed: tuple[object, Packed] | None = None

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
        """See `renderers.contract.Renderer.render`."""
        if wanted is None:
            wanted = torch.ones(camera.size[1], camera.size[0], dtype=torch.bool)
        with torch_alone() as threads:
            return self._render(condition, camera, c2w, underlay, wanted.contiguous().numpy(), threads)

    def _render(
        self,
        condition: Condition,
        camera: Pinhole,
        c2w: Tensor | None,
        underlay: Tensor | None,
        wanted: np.ndarray,
        threads: int,
    ) -> Layers:
        width, height = camera.size
        frame = under(self.portrait, self._whole(), condition)
        pose = condition.c2w[0] if c2w is None else c2w
        lens, stands = np.array([*camera.focal, *camera.centre], np.float32), pose.float().contiguous().numpy()
        head = torch.zeros(height, width, 5)
        rgb, person = torch.empty(height, width, 3), torch.empty(height, width, 4)
        flat = head.view(-1, 5).numpy(), rgb.view(-1, 3).numpy(), person.view(-1, 4).numpy()
        board = board_of(self.camera, camera, condition.c2w[0], c2w).numpy() if underlay is None else None

        def some_rows(top: int) -> None:
            bottom = min(top + SQUARE, height)
            head_rows(top, bottom, lens, stands, frame.head, frame.head_layers, wanted, head.numpy())
            if board is not None:
                pixels = top * width, bottom * width
                torso_pixels(*pixels, board, *frame.torso, *flat)

        at_once(some_rows, range(0, height, SQUARE), threads)
        colour, opacity = head[..., :3], head[..., 3:4]
        depth = head[..., 4:] / opacity.clamp_min(1e-4)
        if underlay is not None:
            return Layers(lay_over(colour, opacity, underlay).clamp(0, 1), colour, opacity, depth, None)
        return Layers(rgb, colour, opacity, depth, person)

    def _whole(self) -> Packed:
        """The portrait packed, anew when a training has gone on since."""
        version = [tensor._version for tensor in (*self.portrait.parameters(), *self.portrait.buffers())]
        if self._packed is None or self._packed[0] != version:
            self._packed = version, packed(self.portrait)
        return self._packed[1]
