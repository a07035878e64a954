"""The non-causal, conditioned WaveNet that the generator is made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WaveNet(nn.Module):
    """Gated convolutions with residual and skip paths (van den Oord et al., 2016), without dilation, as in GeneFace.

    The condition enters every layer before the gate. No normalisation: with a minute of data, batch statistics are
    noise, and statistics over time would tie a chunk to its surroundings.
    """

    def __init__(self, channels: int, kernel: int, layers: int, condition: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = layers
        self.reach = layers * (kernel // 2)
        """Frames to either side that an output depends on."""
        self.condition = nn.Conv1d(condition, 2 * channels * layers, 1)
        self.gates = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels, kernel, padding=kernel // 2) for _ in range(layers)
        )
        self.outputs = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 1) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[B, channels, T], [B, condition, T] -> [B, channels, T] (the sum of the skips, scaled to keep its size)."""
        skips = torch.zeros_like(x)
        added = self.condition(condition).chunk(self.layers, dim=1)
        for gate, output, extra in zip(self.gates, self.outputs, added, strict=True):
            signal, opening = (gate(self.dropout(x)) + extra).chunk(2, dim=1)
            residual, skip = output(torch.tanh(signal) * torch.sigmoid(opening)).chunk(2, dim=1)
            x = (x + residual) * 0.5**0.5
            skips = skips + skip
        return skips * self.layers**-0.5
