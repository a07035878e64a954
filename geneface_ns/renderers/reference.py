"""The reference renderer: plain torch, any device, what the fields say and nothing else. Others are measured by it."""

from __future__ import annotations

import torch
from torch import Tensor

from geneface_ns.nerf.portrait import Portrait
from geneface_ns.renderers.board import board_of
from geneface_ns.renderers.contract import Layers
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.compositing import lay_over, person_over_nothing
from geneface_ns.scene.condition import Condition


class ReferenceRenderer:
    """Renders a portrait in chunks of rays (see `renderers.contract.Renderer`)."""

    def __init__(self, portrait: Portrait, rays_per_chunk: int = 1 << 16) -> None:
        """
        Args:
            rays_per_chunk: rays rendered at once, which bounds the memory.
        """
        self.portrait = portrait
        self.rays_per_chunk = rays_per_chunk
        self.camera = portrait.camera
        self.capture_size = portrait.capture_size

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
        portrait, device = self.portrait, self.device
        width, height = camera.size
        count = width * height
        pose = condition.c2w[0] if c2w is None else c2w
        head = torch.zeros(count, 5, device=device)  # colour, opacity, depth
        mask = portrait.occupancy.image_mask(pose, camera.focal, camera.centre, camera.size).reshape(-1)
        if wanted is not None:
            mask = mask & wanted.to(device).reshape(-1)
        seen = mask.nonzero()[:, 0]
        for pixels in seen.split(self.rays_per_chunk):
            directions = camera.directions(pixels, pose)
            origins = pose[:3, 3].expand_as(directions)
            rays = portrait.render_head(condition, origins, directions, torch.zeros_like(pixels))
            head[pixels] = torch.cat([rays.colour, rays.opacity, rays.depth], dim=1)
        opacity = head[:, 3:4]
        person = None
        if underlay is not None:
            around = underlay.to(device).reshape(-1, 4)
        else:
            frame = torch.zeros(count, dtype=torch.long, device=device)
            board = board_of(self.camera, camera, condition.c2w[0], c2w)
            torso = portrait.render_torso(condition, board, frame, head[:, :4])
            around = torso.underlay
            person = person_over_nothing(head[:, :3], opacity, torso.torso, torso.before_head).clamp(0, 1)
            # Over the one background it was learnt over, a torso may shine where it is not.
            person = torch.cat([torch.minimum(person[:, :3], person[:, 3:]), person[:, 3:]], dim=1)
        rgb = lay_over(head[:, :3], opacity, around).clamp(0, 1)
        depth = head[:, 4:] / opacity.clamp_min(1e-4)

        def picture(value: Tensor) -> Tensor:
            return value.reshape(height, width, -1)

        person = None if person is None else picture(person)
        return Layers(picture(rgb), picture(head[:, :3]), picture(opacity), picture(depth), person)
