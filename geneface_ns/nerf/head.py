"""The head field: colour and density of a person's head under a frame's landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geneface_ns.scene.codes import ConditionEncoder
from geneface_ns.scene.grids import interpolate_frame_planes, interpolate_planes, to_unit
from geneface_ns.scene.warp import LandmarkWarp

CACHED_ROWS = 4096
"""Samples whose hidden layers fit into a core's cache."""
DENSITY = 30
"""Per face width, of a softplus of 1."""


@dataclass
class HeadFieldConfig:
    """Size of the head field and what its condition does."""

    plane_resolutions: tuple[int, ...] = (32, 64, 128, 256)
    """Resolution of each level of the static tri-plane."""
    plane_channels: int = 4
    """Channels of each level."""
    basis_resolution: int = 64
    """Resolution of the expression planes around the face."""
    basis_channels: int = 4
    """Channels of the expression planes."""
    hidden: int = 64
    """Width of the perceptron that turns features into colour and density."""
    move_points: bool = True
    """Move points by the landmarks into the mean face before looking features up."""
    warp_sigma: float = 0.1
    """Reach of a landmark on the points around it, face widths."""
    warp_resolution: int = 24
    """Samples along each axis of the volume that holds the motion of points."""


class FrameState(NamedTuple):
    """What the field needs of each of B frames, computed once for all their samples."""

    volumes: Tensor
    """[B, 5, R, R, R] motion of points and gates (warp.py)."""
    planes: Tensor
    """[B, 3, 2 C, R, R] expression features around the face: those of the mouth, then those of the upper face."""
    codes: Tensor
    """[3 B, hidden] what each frame's pose, mouth and eyes add to the perceptron's first layer."""


class HeadField(nn.Module):
    """Tri-plane features in the mean face, plus planes that are a linear blend over the expression.

    A sample's point is moved to the mean face by the landmarks (warp.py). There it reads static features (tri-plane)
    and expression features: planes around the face, each frame's being the sum of a few learned ones weighted by the
    frame's codes (the linear blend of NeRFBlendShape, Gao et al., SIGGRAPH Asia 2022, on planes). The codes also
    enter the perceptron.

    Planes and codes are gated by distance: the mouth's count near the mouth and the eyes' near the eyes, so that
    nothing else follows them but by the motion of the landmarks. Ungated, a combination of codes that training never
    held tears holes into the jaw, and a blink leaves blotches on the cheeks.
    """

    box: Tensor
    face_box: Tensor

    def __init__(self, config: HeadFieldConfig, box: Tensor, landmarks: Tensor, eye_openness: Tensor) -> None:
        """
        Args:
            box: [2, 3] the head's box, head frame.
            landmarks: [F, 68, 3] of the training frames.
            eye_openness: [F, 2] of the same frames.
        """
        super().__init__()
        self.config = config
        self.register_buffer("box", box)
        mean = landmarks.mean(dim=0)
        margin = torch.tensor([0.08, 0.12, 0.15])
        self.register_buffer(
            "face_box", torch.stack([mean[17:].min(dim=0).values - margin, mean[17:].max(dim=0).values + margin])
        )
        self.encoder = ConditionEncoder(landmarks, eye_openness)
        self.warp = LandmarkWarp(mean, config.warp_sigma, config.warp_resolution)
        self.planes = nn.ParameterList(
            [nn.Parameter(0.1 * torch.randn(3, config.plane_channels, r, r)) for r in config.plane_resolutions]
        )
        lower, upper = self.encoder.widths
        values = 3 * config.basis_channels * config.basis_resolution**2
        self.lower_planes = nn.Parameter(0.01 * torch.randn(lower, values))
        self.upper_planes = nn.Parameter(0.01 * torch.randn(upper, values))
        features = config.plane_channels * len(config.plane_resolutions) + config.basis_channels
        self.first = nn.Linear(features, config.hidden)
        self.lower_code = nn.Linear(lower, config.hidden, bias=False)
        self.upper_code = nn.Linear(upper, config.hidden, bias=False)
        self.pose_code = nn.Linear(6, config.hidden, bias=False)
        last = nn.Linear(config.hidden, 4)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(config.hidden, config.hidden), nn.ReLU(), last)
        nn.init.normal_(self.pose_code.weight, std=0.01)
        with torch.no_grad():
            # Nearly transparent: density grows where pictures ask for it, and the rest is pruned.
            last.bias[3] = -4.5

    def frame_state(self, landmarks: Tensor, eye_openness: Tensor, pose: Tensor) -> FrameState:
        """Prepare B frames: [B, 68, 3], [B, 2], pose code [B, 6]."""
        lower, upper = self.encoder(landmarks, eye_openness)
        config = self.config
        shape = (len(landmarks), 3, config.basis_channels, config.basis_resolution, config.basis_resolution)
        planes = torch.cat(
            [(lower @ self.lower_planes).reshape(shape), (upper @ self.upper_planes).reshape(shape)], dim=2
        )
        volumes = self.warp.volumes(landmarks if config.move_points else self.warp.mean.expand_as(landmarks))
        codes = torch.cat([self.pose_code(pose), self.lower_code(lower), self.upper_code(upper)])
        return FrameState(volumes, planes, codes)

    def forward(self, state: FrameState, points: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate samples.

        Args:
            state: of B frames.
            points: [N, 3], head frame.
            frame: int64 [N], index into B.

        Returns:
            density [N] per unit length, colour [N, 3] in [0, 1]; differentiable in the parameters and the state.
        """
        canonical, gates = self.warp.look_up(state.volumes, points, frame)
        unit = to_unit(canonical, self.box)
        in_face = to_unit(canonical, self.face_box)
        # Fades to nothing at the border of the face's box, where the planes end.
        fade = (4 - 4 * in_face.abs().amax(dim=1, keepdim=True)).clamp(0, 1)
        features = [interpolate_planes(planes, unit) for planes in self.planes]
        lower, upper = interpolate_frame_planes(state.planes, in_face, frame).chunk(2, dim=1)
        features.append(fade * (gates[:, :1] * lower + gates[:, 1:] * upper))
        # Each frame's codes are rows of one matrix, picked and gated by a product: gathering them a sample is slower.
        own = torch.nn.functional.one_hot(frame, len(state.planes)).to(points.dtype)
        rows = torch.cat([*features, own, gates[:, :1] * own, gates[:, 1:] * own], dim=1)
        first = torch.cat([self.first.weight.T, state.codes])
        # On a CPU the perceptron waits for memory unless its layers' outputs stay in the cache.
        blocks = rows.split(CACHED_ROWS) if rows.device.type == "cpu" else (rows,)
        output = torch.cat([self.rest(torch.addmm(self.first.bias, block, first)) for block in blocks])
        density = torch.nn.functional.softplus(output[:, 3]) * DENSITY
        return density, torch.sigmoid(output[:, :3])
