"""The post-net, which moves generated motion into one person's way of speaking, and its discriminator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from audio_motion.models.generator import POINTS
from audio_motion.topology import JAW, MOUTH


@dataclass(frozen=True)
class PostNetConfig:
    """Size of the post-net."""

    hidden: int = 96
    """Width."""
    layers: int = 2
    """Residual convolutions."""
    kernel: int = 3
    """Frames that a convolution looks at, odd."""
    dropout: float = 0.1
    """Share of the values that dropout sets to 0 in training."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Size of the discriminator."""

    windows: tuple[int, ...] = (8, 16, 32)
    """Motion frames (at 25 Hz) that are judged together; each length has its own discriminator, and is at least 4."""
    hidden: int = 48
    """Width of each of them."""


class PostNet(nn.Module):
    """Motion [B, 204, T] at 25 Hz, in units of the speaker's scale -> the same in the person's; begins as the identity.

    After GeneFace's (Ye et al., ICLR 2023): the motion plus a change to it, of convolutions along time. Without batch
    normalisation, whose statistics would differ between training and use, and with a bounded reach.
    """

    def __init__(self, config: PostNetConfig) -> None:
        super().__init__()
        self.config = config
        width, kernel = config.hidden, config.kernel

        def along_time(channels: int) -> nn.Conv1d:
            # Continued by their last value: a face does not jump to its mean where a sound begins or ends.
            return nn.Conv1d(channels, width, kernel, padding=kernel // 2, padding_mode="replicate")

        self.enter = along_time(3 * POINTS)
        self.layers = nn.ModuleList(along_time(width) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        self.leave = nn.Conv1d(width, 3 * POINTS, 1)
        self.forget()

    @property
    def reach(self) -> int:
        """Motion frames to either side that an output depends on."""
        return (1 + self.config.layers) * (self.config.kernel // 2)

    def forget(self) -> None:
        """Become the identity again."""
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, motion: Tensor) -> Tensor:
        hidden = self.enter(motion)
        for layer in self.layers:
            hidden = hidden + layer(self.dropout(gelu(hidden)))
        return motion + self.leave(gelu(hidden))


class Discriminator(nn.Module):
    """Judges whether mouth and jaw move as the person's do, over windows of several lengths.

    The upper face is not judged: it hardly follows speech, so a post-net could please the discriminator there by
    invention alone. Spectral norm (Miyato et al., ICLR 2018) keeps them from becoming steep.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.windows = nn.ModuleList(_WindowDiscriminator(window, config.hidden) for window in config.windows)

    def forward(self, motion: Tensor, known: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Verdicts, trained towards 1 for the person's motion and 0 for a post-net's.

        Args:
            motion: [B, 204, T] in units of the person's scale, T at least the longest window.
            known: bool [B, T]: frames that may be judged.

        Returns:
            for every window length: verdicts [B, N] of its windows, and whether all frames of them are known, [B, N].
        """
        return [(one(motion), _whole(known, one.window, one.step)) for one in self.windows]  # type: ignore[arg-type]


class _WindowDiscriminator(nn.Module):
    """One verdict for each window of `window` frames, a quarter of it apart; no padding."""

    seen: Tensor

    def __init__(self, window: int, hidden: int) -> None:
        super().__init__()
        self.window, self.step = window, max(1, window // 4)
        self.register_buffer("seen", mouth_and_jaw(), persistent=False)
        self.changes = spectral_norm(nn.Conv1d(len(self.seen), hidden, 3))
        self.course = spectral_norm(nn.Conv1d(hidden, hidden, window - 2, stride=self.step))
        self.verdict = spectral_norm(nn.Conv1d(hidden, 1, 1))

    def forward(self, motion: Tensor) -> Tensor:
        hidden = leaky_relu(self.changes(motion[:, self.seen]), 0.2)
        return self.verdict(leaky_relu(self.course(hidden), 0.2))[:, 0]


def mouth_and_jaw() -> Tensor:
    """Numbers of their coordinates among the 204."""
    return torch.arange(3 * POINTS).view(POINTS, 3)[[*range(POINTS)[JAW], *range(POINTS)[MOUTH]]].flatten()


def _whole(known: Tensor, window: int, step: int) -> Tensor:
    return known.unfold(-1, window, step).all(dim=-1)
