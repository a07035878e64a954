"""The head as Gaussians in the person's mean face, moved by the landmarks and by a linear basis of the person's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.codes import ConditionEncoder
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import motion_features
from geneface_ns.scene.warp import landmark_weights, nearness
from geneface_ns.splat.rasteriser import rasterise
from geneface_ns.splat.surface import JAW, SKULL, Surface

CHIN = slice(6, 11)
"""Landmarks whose mean motion is the jaw's."""
LOCAL = 0.02
"""Nearness to mouth or eyes below which their basis leaves a Gaussian alone."""
UNITS = (*[0.02] * 3, *[0.2] * 4, *[0.3] * 3, 1.0, *[0.2] * 3)
"""What a basis of one stands for, of place (units), quaternion, logarithm of the scale, logit of the opacity, colour:
so that one learning rate serves all."""
FLIP = torch.tensor([1.0, -1.0, -1.0, 1.0])
"""From nerfstudio's camera (y up, looks along -z) to gsplat's (y down, looks along z)."""


@dataclass
class SplatHeadConfig:
    """Size of the head and what its condition does."""

    gaussians: int = 20_000
    """About as many, those of the mouth's inside among them."""
    sigma: float = 0.06
    """Reach of a landmark on the Gaussians around it, face widths: short, so that the lips part."""
    hidden: int = 32
    """Width of the network that weighs the basis."""


class Gaussians(NamedTuple):
    """N Gaussians as the rasteriser takes them."""

    means: Tensor
    """[N, 3], head frame."""
    quats: Tensor
    """[N, 4]."""
    scales: Tensor
    """[N, 3]."""
    opacities: Tensor
    """[N]."""
    colors: Tensor
    """[N, 3], in about [0, 1]."""


class SplatHead(nn.Module):
    """Gaussians in the mean face and how a condition moves them.

    A Gaussian moves with the landmarks around it (forward, so no inverse is needed); those of the mouth's inside with
    the skull or the chin. On top lies a linear basis, one of the mouth's codes for what is near the mouth and one of
    the upper face's codes for what is near the eyes: place, rotation, scale, opacity and colour (RGBAvatar, Li et al.,
    CVPR 2025, has it for a whole face model). Its weights are the codes and what a small network adds to them. Colour
    follows the head's pose too, because the light stands still while the head turns.
    """

    mean: Tensor
    weights: Tensor
    near_mouth: Tensor
    near_eyes: Tensor
    gate_mouth: Tensor
    gate_eyes: Tensor
    pose_mean: Tensor
    pose_scale: Tensor
    units: Tensor
    mouth_basis: nn.Parameter
    eyes_basis: nn.Parameter

    def __init__(self, config: SplatHeadConfig, surface: Surface, own: Condition) -> None:
        """
        Args:
            surface: where the Gaussians begin.
            own: the training frames'.
        """
        super().__init__()
        self.encoder = ConditionEncoder(own.landmarks, own.eye_openness)
        self.register_buffer("mean", own.landmarks.mean(dim=0))
        pose = motion_features(own.c2w, own.body)[:, :6]
        self.register_buffer("pose_mean", pose.mean(dim=0))
        self.register_buffer("pose_scale", pose.std(dim=0).clamp_min(1e-4))
        self.register_buffer("units", torch.tensor(UNITS)[:, None])
        places, kind = torch.from_numpy(surface.places), torch.from_numpy(surface.kind)
        weights = landmark_weights(places, self.mean, config.sigma)
        weights[kind == SKULL] = 0
        jaw = torch.zeros(len(self.mean))
        jaw[CHIN] = 1 / (CHIN.stop - CHIN.start)
        weights[kind == JAW] = jaw
        self.register_buffer("weights", weights)
        gates = nearness(places, self.mean)
        lower, upper = self.encoder.widths
        for i, (name, width) in enumerate((("mouth", lower), ("eyes", upper))):
            near = torch.nonzero(gates[:, i] > LOCAL)[:, 0]
            self.register_buffer(f"near_{name}", near)
            self.register_buffer(f"gate_{name}", gates[near, i, None])
            self.register_parameter(f"{name}_basis", nn.Parameter(torch.zeros(len(near), len(UNITS), width)))
        spacing = torch.from_numpy(surface.spacing)
        self.means = nn.Parameter(places.clone())
        self.quats = nn.Parameter(torch.tensor([1.0, 0, 0, 0]).repeat(len(places), 1))
        self.scales = nn.Parameter((0.6 * spacing).log()[:, None].repeat(1, 3))
        self.opacities = nn.Parameter(torch.full((len(places),), 2.0))
        self.colors = nn.Parameter(torch.from_numpy(surface.colours))
        self.pose_colors = nn.Parameter(torch.zeros(len(places), 3, 6))
        last = nn.Linear(config.hidden, lower + upper)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(nn.Linear(lower + upper + 6, config.hidden), nn.ReLU(), last)

    def forward(self, condition: Condition) -> Gaussians:
        """The Gaussians of one frame's condition; differentiable in the parameters."""
        lower, upper = self.encoder(condition.landmarks, condition.eye_openness)
        pose = ((motion_features(condition.c2w, condition.body)[:, :6] - self.pose_mean) / self.pose_scale).clamp(-4, 4)
        codes = torch.cat([lower, upper], dim=1)
        of_mouth, of_eyes = (codes + self.network(torch.cat([codes, pose], dim=1)))[0].split([*self.encoder.widths])
        change = torch.zeros(len(self.means), len(UNITS))
        for near, gate, basis, weight in (
            (self.near_mouth, self.gate_mouth, self.mouth_basis, of_mouth),
            (self.near_eyes, self.gate_eyes, self.eyes_basis, of_eyes),
        ):
            change = change.index_add(0, near, gate * (basis @ weight) * self.units[:, 0])
        moved = self.weights @ (condition.landmarks[0] - self.mean)
        return Gaussians(
            self.means + moved + change[:, :3],
            self.quats + change[:, 3:7],
            torch.exp(self.scales + change[:, 7:10]),
            torch.sigmoid(self.opacities + change[:, 10]),
            self.colors + change[:, 11:] + self.pose_colors @ pose[0],
        )


def draw_head(
    gaussians: Gaussians, camera: Pinhole, c2w: Tensor, threads: int, box: tuple[int, int, int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """The head in a picture, or in a part of it.

    Args:
        c2w: [4, 4].
        threads: to use.
        box: x0, y0, x1, y1 in pixels; the last row and column do not belong.

    Returns:
        [H, W, 3] premultiplied colour, [H, W, 1] opacity.
    """
    x0, y0, x1, y1 = box or (0, 0, *camera.size)
    rotation = (c2w[:3, :3] * FLIP[:3]).T
    view = torch.eye(4)
    view[:3, :3], view[:3, 3] = rotation, -rotation @ c2w[:3, 3]
    (fx, fy), (cx, cy) = camera.focal, camera.centre
    lens = torch.tensor([[fx, 0, cx - x0], [0, fy, cy - y0], [0, 0, 1]])
    colours, opacity, _ = rasterise(*gaussians, view[None], lens[None], x1 - x0, y1 - y0, threads=threads)
    return colours[0], opacity[0]
