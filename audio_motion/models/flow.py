"""The normalising-flow prior: what latents are likely under a piece of speech."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audio_motion.models.wavenet import WaveNet


class Coupling(nn.Module):
    """Shifts one half of the channels by a function of the other half and the condition (mean only).

    Its log-determinant is 0, and it starts as the identity because its last layer starts at zero.
    """

    def __init__(self, channels: int, hidden: int, kernel: int, layers: int, condition: int) -> None:
        super().__init__()
        self.kept = channels // 2
        self.enter = nn.Conv1d(self.kept, hidden, 1)
        self.net = WaveNet(hidden, kernel, layers, condition)
        self.leave = nn.Conv1d(hidden, channels - self.kept, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, z: Tensor, condition: Tensor, inverse: bool = False) -> Tensor:
        """[B, channels, T] -> the same shape."""
        kept, moved = z[:, : self.kept], z[:, self.kept :]
        shift = self.leave(self.net(self.enter(kept), condition))
        return torch.cat([kept, moved - shift if inverse else moved + shift], dim=1)


class FlowPrior(nn.Module):
    """Couplings with the channels reversed in between: latents <-> standard normal noise, given the condition."""

    def __init__(self, channels: int, hidden: int, kernel: int, layers: int, steps: int, condition: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(channels, hidden, kernel, layers, condition) for _ in range(steps))
        self.reach = sum(coupling.net.reach for coupling in self.couplings)  # type: ignore[union-attr, misc]

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """Latents [B, channels, T] -> noise of the same shape; volume preserving."""
        for coupling in self.couplings:
            z = coupling(z, condition).flip(1)
        return z

    def inverse(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Noise [B, channels, T] -> latents of the same shape."""
        for coupling in reversed(self.couplings):  # type: ignore[call-overload]
            noise = coupling(noise.flip(1), condition, inverse=True)
        return noise
