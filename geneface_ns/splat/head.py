"""The head as Gaussians in the person's mean face, moved by the landmarks and by a linear basis of the person's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.codes import ConditionEncoder
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import motion_features
from geneface_ns.scene.warp import nearness
from geneface_ns.splat.attachment import attachment
from geneface_ns.splat.rasteriser import rasterise
from geneface_ns.splat.surface import Surface

WHITENING = 0.3
"""Of the mouth's code: a linear basis has to go on beyond what it has seen, and what hardly varied was seen least."""
LOCAL = 0.02
"""Nearness to mouth or eyes below which their basis leaves a Gaussian alone."""
FAINT = 1e-3
"""Weight of a landmark up to which a file leaves it out: of a landmark's motion less than can be seen."""
UNITS = (*[0.02] * 3, *[0.2] * 4, *[0.3] * 3, 1.0, *[0.2] * 3)
"""What a basis of one stands for, of place (units), quaternion, logarithm of the scale, logit of the opacity, colour:
so that one learning rate serves all."""
BUFFERS = ("weights", "near_mouth", "near_eyes", "gate_mouth", "gate_eyes")
PARAMETERS = ("means", "quats", "scales", "opacities", "colors", "pose_colors", "mouth_basis", "eyes_basis")
"""A head's own, whose sizes follow from how many Gaussians it has."""
FLIP = torch.tensor([1.0, -1.0, -1.0, 1.0])
"""From nerfstudio's camera (y up, looks along -z) to gsplat's (y down, looks along z)."""


@dataclass
class SplatHeadConfig:
    """Size of the head, but for how many Gaussians it has."""

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


class Drive(NamedTuple):
    """What moves the Gaussians in B frames: all that a frame needs of the condition and the network."""

    moved: Tensor
    """[B, 68, 3] landmarks beside the person's mean, head frame."""
    mouth: Tensor
    """[B, K] weights of the mouth's basis."""
    eyes: Tensor
    """[B, L] weights of the eyes' basis."""
    pose: Tensor
    """[B, 6] the head's pose in deviations from the training frames' mean."""


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
    means: nn.Parameter
    quats: nn.Parameter
    scales: nn.Parameter
    opacities: nn.Parameter
    colors: nn.Parameter
    pose_colors: nn.Parameter
    mouth_basis: nn.Parameter
    eyes_basis: nn.Parameter

    def __init__(self, config: SplatHeadConfig, own: Condition) -> None:
        """It has no Gaussians until it begins on a surface or a state is loaded.

        Args:
            own: the training frames'.
        """
        super().__init__()
        self.config = config
        self.encoder = ConditionEncoder(own.landmarks, own.eye_openness, whitening=WHITENING)
        self.register_buffer("mean", own.landmarks.mean(dim=0))
        pose = motion_features(own.c2w, own.body)[:, :6]
        self.register_buffer("pose_mean", pose.mean(dim=0))
        self.register_buffer("pose_scale", pose.std(dim=0).clamp_min(1e-4))
        self.register_buffer("units", torch.tensor(UNITS)[:, None])
        for name in BUFFERS:
            self.register_buffer(name, torch.empty(0))
        for name in PARAMETERS:
            self.register_parameter(name, nn.Parameter(torch.empty(0)))
        self._hold(0, 0, 0)
        lower, upper = self.encoder.widths
        last = nn.Linear(config.hidden, lower + upper)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(nn.Linear(lower + upper + 6, config.hidden), nn.ReLU(), last)

    def shapes(self, count: int, near_mouth: int, near_eyes: int) -> dict[str, tuple[int, ...]]:
        """The shapes of all that follows from how many Gaussians there are, by the names of BUFFERS and PARAMETERS."""
        lower, upper = self.encoder.widths
        return {
            "weights": (count, len(self.mean)),
            **{"near_mouth": (near_mouth,), "near_eyes": (near_eyes,)},
            **{"gate_mouth": (near_mouth, 1), "gate_eyes": (near_eyes, 1)},
            **{"means": (count, 3), "quats": (count, 4), "scales": (count, 3), "opacities": (count,)},
            **{"colors": (count, 3), "pose_colors": (count, 3, 6)},
            "mouth_basis": (near_mouth, len(UNITS), lower),
            "eyes_basis": (near_eyes, len(UNITS), upper),
        }

    @torch.no_grad()
    def begin_on(self, surface: Surface, sigma: float) -> None:
        """As many Gaussians as the surface has places, there and in its colours. An optimizer that has the parameters
        keeps them.

        Args:
            sigma: reach of a landmark on the Gaussians around it, face widths.
        """
        places, kind = torch.from_numpy(surface.places), torch.from_numpy(surface.kind)
        gates = nearness(places, self.mean)
        near = [torch.nonzero(gates[:, i] > LOCAL)[:, 0] for i in range(2)]
        self._hold(len(places), len(near[0]), len(near[1]))
        self.weights.copy_(attachment(places, kind, self.mean, sigma))
        for i, (at, gate) in enumerate(((self.near_mouth, self.gate_mouth), (self.near_eyes, self.gate_eyes))):
            at.copy_(near[i])
            gate.copy_(gates[near[i], i, None])
        self.means.copy_(places)
        self.quats[:, 0] = 1
        self.scales.copy_((0.6 * torch.from_numpy(surface.spacing)).log()[:, None].expand(-1, 3))
        self.opacities.fill_(2.0)
        self.colors.copy_(torch.from_numpy(surface.colours))

    def _hold(self, *counts: int) -> None:
        """Make room for so many Gaussians, as for `shapes`: all zero. Parameters stay the same objects."""
        for name, shape in self.shapes(*counts).items():
            if name in PARAMETERS:
                getattr(self, name).data = torch.zeros(shape)
            else:
                setattr(self, name, torch.zeros(shape, dtype=torch.int64 if name.startswith("near") else None))

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *others: Any) -> None:
        """Load as many Gaussians as the state has."""
        errors: list[str] = others[-1]
        given = [state.get(prefix + name) for name in ("means", "near_mouth", "near_eyes")]
        counts = [len(value) for value in given if isinstance(value, Tensor) and value.dim()]
        if len(counts) == len(given):
            shapes = self.shapes(*counts)
            if all(getattr(state.get(prefix + name), "shape", None) == shape for name, shape in shapes.items()):
                self._hold(*counts)
        super()._load_from_state_dict(state, prefix, *others)
        for name in ("near_mouth", "near_eyes"):
            near = getattr(self, name)
            if len(near) and not (near.min() >= 0 and near.max() < len(self.means)):
                errors.append(f"{prefix}{name} names Gaussians that are not there")

    def drive(self, condition: Condition) -> Drive:
        """What B frames' condition means to the Gaussians; differentiable in the network's parameters."""
        lower, upper = self.encoder(condition.landmarks, condition.eye_openness)
        pose = ((motion_features(condition.c2w, condition.body)[:, :6] - self.pose_mean) / self.pose_scale).clamp(-4, 4)
        codes = torch.cat([lower, upper], dim=1)
        weights = codes + self.network(torch.cat([codes, pose], dim=1))
        mouth, eyes = weights.split([*self.encoder.widths], dim=1)
        return Drive(condition.landmarks - self.mean, mouth, eyes, pose)

    def driven(self, drive: Drive) -> Gaussians:
        """The Gaussians of one frame, B = 1; differentiable in the parameters."""
        change = torch.zeros(len(self.means), len(UNITS))
        for near, gate, basis, weight in (
            (self.near_mouth, self.gate_mouth, self.mouth_basis, drive.mouth[0]),
            (self.near_eyes, self.gate_eyes, self.eyes_basis, drive.eyes[0]),
        ):
            change = change.index_add(0, near, gate * (basis @ weight) * self.units[:, 0])
        return Gaussians(
            self.means + self.weights @ drive.moved[0] + change[:, :3],
            self.quats + change[:, 3:7],
            torch.exp(self.scales + change[:, 7:10]),
            torch.sigmoid(self.opacities + change[:, 10]),
            self.colors + change[:, 11:] + self.pose_colors @ drive.pose[0],
        )

    def forward(self, condition: Condition) -> Gaussians:
        """The Gaussians of one frame's condition; differentiable in the parameters."""
        return self.driven(self.drive(condition))

    @torch.no_grad()
    def canonical(self) -> Gaussians:
        """The Gaussians of the mean face in the mean pose."""
        codes = torch.zeros(1, sum(self.encoder.widths))
        pose = torch.zeros(1, len(self.pose_mean))
        mouth, eyes = self.network(torch.cat([codes, pose], dim=1)).split([*self.encoder.widths], dim=1)
        return self.driven(Drive(torch.zeros(1, *self.mean.shape), mouth, eyes, pose))


def draw_head(
    gaussians: Gaussians, camera: Pinhole, c2w: Tensor, threads: int, box: tuple[int, int, int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """The head in a picture, or in a part of it.

    Args:
        c2w: [4, 4].
        threads: to use.
        box: x0, y0, x1, y1 in pixels; the last row and column do not belong.

    Returns:
        [H, W, D] premultiplied colours, of as many channels as the Gaussians have; [H, W, 1] opacity.
    """
    x0, y0, x1, y1 = box or (0, 0, *camera.size)
    rotation = (c2w[:3, :3] * FLIP[:3]).T
    view = torch.eye(4)
    view[:3, :3], view[:3, 3] = rotation, -rotation @ c2w[:3, 3]
    (fx, fy), (cx, cy) = camera.focal, camera.centre
    lens = torch.tensor([[fx, 0, cx - x0], [0, fy, cy - y0], [0, 0, 1]])
    colours, opacity, _ = rasterise(*gaussians, view[None], lens[None], x1 - x0, y1 - y0, threads=threads)
    return colours[0], opacity[0]
