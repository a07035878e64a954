"""How near a portrait on a device is to the same one on the CPU: its pictures and its gradients; see `gpu.py`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geneface_ns.nerf import training
from geneface_ns.nerf.losses import LossConfig, head_losses
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.nerf.volume import distortion
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import Rays
from geneface_ns.scene.torso_loss import torso_losses
from geneface_ns.scene.truth import Truth, psnr

PICTURE_TOLERANCE = 50.0
"""dB of the device's picture against the CPU's: rounding may move a sample over the border of an occupied cell."""
GRADIENT_TOLERANCE = 1e-2
"""Length of the difference of two gradients against the CPU's, for each group of parameters."""


class Agreement(NamedTuple):
    """How near a portrait's copy is to the same portrait on the CPU."""

    picture: float
    """dB between the two pictures of a held-out frame."""
    gradients: dict[str, float]
    """Relative difference of each parameter group's gradient."""

    def is_good(self) -> bool:
        """Whether all lies within the tolerances."""
        # Written so that a NaN is no agreement.
        return self.picture >= PICTURE_TOLERANCE and all(g <= GRADIENT_TOLERANCE for g in self.gradients.values())


def agreement(portrait: Portrait, on_cpu: Portrait, rays: Rays, truth: Truth, time: float) -> Agreement:
    """Compare two copies of a portrait, given the same rays without jitter.

    Args:
        portrait: on the device; on_cpu: on the CPU. In eval mode, which has no jitter.
        rays, truth: on the CPU.
        time: of the frame whose picture is compared, 0 first and 1 last.
    """
    pictures, gradients = [], []
    for copied in (portrait, on_cpu):
        condition = copied.table(torch.tensor([time], device=copied.device))
        pictures.append(ReferenceRenderer(copied).render(condition, copied.camera).rgb.cpu())
        gradients.append(loss_gradients(copied, rays, truth))
    ours, reference = gradients
    differences = {n: float((ours[n] - g).norm() / g.norm().clamp_min(1e-12)) for n, g in reference.items()}
    # psnr() ends at 100 dB, which equal pictures have.
    return Agreement(float(psnr(*pictures)), differences)


def loss_gradients(portrait: Portrait, rays: Rays, truth: Truth) -> dict[str, Tensor]:
    """Gradient of both stages' losses, a flat vector on the CPU for each parameter group."""
    groups = training.parameter_groups(portrait)
    for parameters in groups.values():
        for parameter in parameters:
            parameter.requires_grad_(True)
            parameter.grad = None
    rays, truth = rays.to(portrait.device), truth.to(portrait.device)
    times, frame = torch.unique(rays.times, return_inverse=True)
    condition = portrait.table(times)
    head = portrait.render_head(condition, rays.origins, rays.directions, frame)
    seen = torch.cat([head.colour, head.opacity], dim=1).detach()
    torso = portrait.render_torso(condition, rays.pixel, frame, seen)
    underlay, torso_opacity = torso.underlay, torso.torso[:, 3:]
    rgb = lay_over(seen[:, :3], seen[:, 3:], underlay)
    spread = distortion(head.samples, head.weight)
    terms = [
        *head_losses(head.colour, head.opacity, spread, truth, LossConfig()).values(),
        *torso_losses(rgb, underlay, torso_opacity, truth, LossConfig()).values(),
    ]
    torch.stack(terms).sum().backward()
    return {
        name: torch.cat([p.grad.flatten().cpu() for p in parameters if p.grad is not None])
        for name, parameters in groups.items()
    }
