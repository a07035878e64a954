"""The torso field: body and background around the head, as a picture that moves.

Shoulders do not follow the head: the torso is a canonical picture behind the tracked affine motion of the body, refined
by a small field that sees body motion, head pose and the rendered head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class TorsoFieldConfig:
    """Size of the torso field."""

    latent_resolutions: tuple[int, ...] = (32, 128)
    """Resolution of each level of the learned features beside the pictures."""
    latent_channels: int = 4
    """Channels of each level."""
    code: int = 16
    """Width of the code of body motion and head pose."""
    hidden: int = 48
    """Width of the perceptrons."""
    max_shift: float = 0.1
    """Farthest that the learned motion moves a pixel, in half image widths."""
    use_body_motion: bool = True
    """Move the canonical torso by the tracked body motion."""


class TorsoRays(NamedTuple):
    """What the torso field says of N pixels, in about [0, 1]."""

    torso: Tensor
    """[N, 4] colour, premultiplied by opacity, and opacity."""
    background: Tensor
    """[N, 3] behind the torso."""
    before_head: Tensor
    """[N, 1] the part of the pixel where the torso covers the head, as a collar covers the neck."""

    @property
    def underlay(self) -> Tensor:
        """[N, 4] torso over background, and how much of it lies before the head: as `lay_over` takes it."""
        opacity = self.torso[:, 3:]
        return torch.cat([self.torso[:, :3] + (1 - opacity) * self.background, self.before_head], dim=1)


REACH = 1.25
"""The canonical pictures extend this far beyond the image, in half image sizes, for parts that move into view."""


def sample_picture(picture: Tensor, position: Tensor) -> Tensor:
    """Bilinear value of a picture that spans [-REACH, REACH]^2.

    Args:
        picture: [C, H, W].
        position: [N, 2] x, y; the image is [-1, 1]^2, y down.

    Returns:
        [N, C].
    """
    # grid_sample runs one thread for each batch entry: halve the points over two entries.
    odd = len(position) % 2
    halves = F.pad(position / REACH, (0, 0, 0, odd)).reshape(2, 1, -1, 2)
    values = F.grid_sample(
        picture.expand(2, -1, -1, -1), halves, align_corners=False, padding_mode="border"
    )  # [2, C, 1, N/2]
    return values.permute(0, 2, 3, 1).reshape(-1, picture.shape[0])[: len(position)]


class TorsoField(nn.Module):
    """Colour of body and background at a pixel, given body motion, head pose and what the head looks like there."""

    motion_mean: Tensor
    motion_scale: Tensor

    def __init__(self, config: TorsoFieldConfig, width: int, height: int, motion: Tensor) -> None:
        """
        Args:
            width, height: of the training images, pixels.
            motion: [F, 12] body motion and pose of the training frames (`motion_features`), for normalisation.
        """
        super().__init__()
        self.config = config
        size = (round(height * REACH), round(width * REACH))
        self.torso_picture = nn.Parameter(torch.zeros(4, *size))
        self.background_picture = nn.Parameter(torch.zeros(3, *size))
        latents = [torch.zeros(2 * config.latent_channels, r, r) for r in config.latent_resolutions]
        self.latents = nn.ParameterList([nn.Parameter(x.normal_(std=0.1)) for x in latents])
        self.register_buffer("motion_mean", motion.mean(dim=0))
        self.register_buffer("motion_scale", motion.std(dim=0).clamp_min(1e-4))
        self.encoder = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, config.code))
        features = config.latent_channels * len(config.latent_resolutions)
        # The last layers begin at zero, so the field begins as the plain moved pictures: the rest it has to earn.
        shift, extra = nn.Linear(config.hidden, 4), nn.Linear(config.hidden, 8)
        for last in (shift, extra):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        nn.init.constant_(extra.bias[7:], -4.0)  # nothing lies before the head
        self.shift = nn.Sequential(nn.Linear(2 * features + config.code, config.hidden), nn.ReLU(), shift)
        self.head_encoder = nn.Linear(4, 8)
        self.colour = nn.Sequential(
            nn.Linear(2 * features + 7 + config.code + 8, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            extra,
        )

    def normalised(self, motion: Tensor) -> Tensor:
        """Motion features [B, 12] in deviations from the training frames' mean."""
        return (motion - self.motion_mean) / self.motion_scale

    @torch.no_grad()
    def start_from(self, torso: Tensor, background: Tensor) -> None:
        """Take the mean pictures as the canonical ones.

        Args:
            torso: [4, H', W'] premultiplied colour and opacity over [-REACH, REACH]^2 in the reference frame, 0 to 1.
            background: [3, H', W'].
        """
        self.torso_picture.copy_(torso)
        self.background_picture.copy_(background)

    def _latents(self, torso_at: Tensor, background_at: Tensor) -> list[Tensor]:
        half = self.config.latent_channels
        rows = []
        for latent in self.latents:
            rows += [sample_picture(latent[:half], torso_at), sample_picture(latent[half:], background_at)]
        return rows

    def forward(self, pixel: Tensor, frame: Tensor, inverse_body: Tensor, motion: Tensor, head: Tensor) -> TorsoRays:
        """Torso and background, and how much of the torso lies before the head.

        Args:
            pixel: [N, 2] x, y, the image being [-1, 1]^2, y down.
            frame: int64 [N], index into B.
            inverse_body: [B, 2, 3] from this frame's pixel to the reference frame's, same units as pixel.
            motion: [B, 12] from `motion_features`.
            head: [N, 4] the rendered head's colour (premultiplied) and opacity at the pixel.

        Returns:
            The layers at the N pixels, differentiable in all but frame.
        """
        code = self.encoder(self.normalised(motion).clamp(-4, 4))
        own = F.one_hot(frame, len(motion)).to(pixel.dtype)
        codes = own @ code
        canonical = pixel
        if self.config.use_body_motion:
            affine = inverse_body.flatten(1)[frame]
            # No matrix product: under mixed precision it would round positions to half precision.
            affine = affine.view(-1, 2, 3)
            canonical = (affine[..., :2] * pixel[:, None, :]).sum(dim=2) + affine[..., 2]
        shift = self.shift(torch.cat([*self._latents(canonical, pixel), codes], dim=1))
        shift = self.config.max_shift * torch.tanh(shift)
        torso_at, background_at = canonical + shift[:, :2], pixel + shift[:, 2:]
        torso = sample_picture(self.torso_picture, torso_at)
        background = sample_picture(self.background_picture, background_at)
        rows = [*self._latents(torso_at, background_at), torso, background, codes, self.head_encoder(head)]
        extra = self.colour(torch.cat(rows, dim=1))
        opacity = (torso[:, 3:] + extra[:, 3:4]).clamp(0, 1)
        colour = torso[:, :3] + opacity * extra[:, :3]
        return TorsoRays(torch.cat([colour, opacity], dim=1), background + extra[:, 4:7], torch.sigmoid(extra[:, 7:]))
