"""Moving points by the landmarks: where in the person's mean face does a point of this frame's face lie?

With a code vector alone the mouth opens as far, but less in time with the landmarks: its opening correlates by 0.80
instead of 0.88 with the true one (docs/benchmarks.md). The forward motion is a blend of the landmarks' displacements
with Gaussian weights, fixed in the mean face; so it is linear in the displacements and its inverse is found once a
frame, on a coarse volume.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audio_motion.topology import MOUTH
from geneface_ns.kernels.run import usable
from geneface_ns.kernels.warp import inverse_motion
from geneface_ns.scene.grids import interpolate_frame_volumes, to_unit

MOUTH_REACH, EYE_REACH = 0.15, 0.12
"""How far from the middle of the mouth and of each eye their codes count, face widths (deviation of a Gaussian)."""
STILL = 0.1
"""Weight of the still head beside the landmarks'."""


def landmark_weights(points: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """How much each landmark's displacement moves points of the mean face: [N, 3], [68, 3] -> [N, 68], of which what
    is missing to one stands still, so that displacement fades out where no landmark is near."""
    closeness = torch.exp(-torch.cdist(points, mean).square() / (2 * sigma**2))
    return closeness / (closeness.sum(dim=1, keepdim=True) + STILL)


def nearness(points: Tensor, mean: Tensor) -> Tensor:
    """How near points of the mean face are to mouth and eyes, 0 to 1: [N, 3], [68, 3] -> [N, 2]."""
    mouth = torch.cdist(points, mean[MOUTH].mean(dim=0, keepdim=True))[:, 0]
    eyes = torch.cdist(points, torch.stack([mean[36:42].mean(dim=0), mean[42:48].mean(dim=0)])).amin(dim=1)
    return torch.exp(-torch.stack([mouth / MOUTH_REACH, eyes / EYE_REACH], dim=1).square() / 2)


class LandmarkWarp(nn.Module):
    """Backward displacement of points by landmarks, and how near they are to mouth and eyes.

    The forward motion of a point x of the mean face is D(x) = sum_k w_k(x) d_k / (sum_k w_k(x) + STILL), with
    w_k(x) = exp(-|x - mean_k|^2 / 2 sigma^2) and d_k = landmark_k - mean_k. `forward` solves x = y - D(x) by
    fixed-point iteration for every y of a volume around the face.
    """

    box: Tensor
    mean: Tensor
    weights: Tensor
    nodes: Tensor
    gates: Tensor

    def __init__(self, mean: Tensor, sigma: float, resolution: int, iterations: int = 3) -> None:
        """
        Args:
            mean: [68, 3] the person's mean landmarks.
            sigma: reach of a landmark, in units (face widths).
            resolution: samples of the volume along each axis.
            iterations: of the fixed point; the motion is short against its reach, so three leave less than 1e-3 units.
        """
        super().__init__()
        self.sigma = sigma
        self.resolution = resolution
        self.iterations = iterations
        reach = 3 * sigma
        self.register_buffer("mean", mean.clone())  # loading a checkpoint writes into it
        self.register_buffer("box", torch.stack([mean.amin(dim=0) - reach, mean.amax(dim=0) + reach]))
        for name, value in self._on_nodes().items():
            self.register_buffer(name, value, persistent=False)
        # They follow from the mean, and a checkpoint brings its own.
        self.register_load_state_dict_post_hook(_follow_the_mean)

    def _on_nodes(self) -> dict[str, Tensor]:
        """The volume's nodes, the landmarks' weights on them, and their nearness to mouth and eyes."""
        mean, box, resolution = self.mean, self.box, self.resolution
        steps = [torch.linspace(0, 1, resolution, device=mean.device)] * 3
        z, y, x = torch.meshgrid(*steps, indexing="ij")
        nodes = torch.stack([x, y, z], dim=-1).reshape(-1, 3) * (box[1] - box[0]) + box[0]
        gates = nearness(nodes, mean).T.reshape(2, *[resolution] * 3)
        return {"nodes": nodes, "weights": landmark_weights(nodes, mean, self.sigma), "gates": gates.contiguous()}

    def volumes(self, landmarks: Tensor) -> Tensor:
        """Backward displacement and gates on the volume's nodes: [B, 68, 3] -> [B, 5, R, R, R].

        Channels: displacement x, y, z; nearness to the mouth and to the eyes, 0 to 1.
        """
        batch, r = len(landmarks), self.resolution
        with torch.autocast(landmarks.device.type, enabled=False):  # positions in half precision are a pixel off
            moved = (landmarks - self.mean).transpose(1, 2).contiguous() @ self.weights.T  # D on the nodes
        forward = moved.reshape(batch, 3, r, r, r)
        gates = self.gates.expand(batch, -1, -1, -1, -1)
        if usable(forward) and not forward.requires_grad:
            return torch.cat([inverse_motion(forward, self.box, self.iterations), gates], dim=1)
        frame = torch.arange(batch, device=landmarks.device).repeat_interleave(len(self.nodes))
        target = self.nodes.repeat(batch, 1)
        shift = -moved.transpose(1, 2).reshape(-1, 3)
        for _ in range(self.iterations - 1):
            shift = -interpolate_frame_volumes(forward, to_unit(target + shift, self.box), frame)
        displacement = shift.reshape(batch, r, r, r, 3).permute(0, 4, 1, 2, 3)
        return torch.cat([displacement, gates], dim=1)

    def look_up(self, volumes: Tensor, points: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Move points of a frame's face to the mean face.

        Args:
            volumes: [B, 5, R, R, R] from `volumes`.
            points: [N, 3], head frame.
            frame: int64 [N], index into B.

        Returns:
            moved points [N, 3] (outside the box as its nearest face, where the motion has faded) and gates [N, 2].
        """
        values = interpolate_frame_volumes(volumes, to_unit(points, self.box), frame)
        return points + values[:, :3], values[:, 3:]


def _follow_the_mean(warp: LandmarkWarp, _: object) -> None:
    for name, value in warp._on_nodes().items():
        getattr(warp, name).copy_(value)
