"""The encoder of Whisper (Radford et al., 2022) in plain torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention


class WhisperEncoder(nn.Module):
    """Two convolutions, positions, and layers of attention: log-mel spectrum -> one vector for every two frames.

    A layer's output is taken as what comes next reads it: through the layer norm of the next layer, or of the decoder.
    Without it a few channels of the middle layers are 50 times larger than all others.
    """

    positions: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], heads: int, layers: int, window: int) -> None:
        """
        Args:
            tensors: of an encoder, or of its first layers and the norm that follows them; float32, with the names that
                the Hugging Face hub's files have.
            heads: of the attention.
            layers: whose output is wanted, from 1 on.
            window: frames of the longest window.

        Raises:
            LookupError, ValueError, RuntimeError: they are not those of such an encoder.
        """
        super().__init__()
        width, bins, _ = tensors["conv1.weight"].shape
        hidden = len(tensors["layers.0.fc1.bias"])
        self.conv1 = nn.Conv1d(bins, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(_Layer(width, heads, hidden) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        next_norm = f"layers.{layers}.self_attn_layer_norm."
        renamed = {next_norm + kind: f"layer_norm.{kind}" for kind in ("weight", "bias")}
        read = {**tensors, **{new: tensors[old] for old, new in renamed.items() if old in tensors}}
        self.load_state_dict({name: read[name] for name in self.state_dict()})
        # The same in every Whisper, so that they can be left out; files have them rounded.
        positions = read["embed_positions.weight"] if "embed_positions.weight" in read else sinusoids(window, width)
        if len(positions) < window:
            raise ValueError(f"knows {len(positions)} positions, {window} are needed")
        self.register_buffer("positions", positions[:window])

    def forward(self, mel: Tensor) -> Tensor:
        """[bins, 2n] -> [n, width]."""
        heard = gelu(self.conv2(gelu(self.conv1(mel[None]))))[0].T
        heard = heard + self.positions[: len(heard)]
        for layer in self.layers:
            heard = layer(heard)
        return self.layer_norm(heard)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = _Attention(width, heads)
        self.final_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, heard: Tensor) -> Tensor:
        heard = heard + self.self_attn(self.self_attn_layer_norm(heard))
        return heard + self.fc2(gelu(self.fc1(self.final_layer_norm(heard))))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not share {width} channels")
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, heard: Tensor) -> Tensor:
        """[n, width] -> [n, width]; every frame looks at all of them."""
        projected = (linear(heard) for linear in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (x.unflatten(1, (self.heads, -1)).transpose(0, 1)[None] for x in projected)
        return self.out_proj(scaled_dot_product_attention(q, k, v)[0].transpose(0, 1).flatten(1))


def layer_count(tensors: Mapping[str, Tensor]) -> int:
    """Whole layers that the tensors of an encoder hold."""
    return sum(name.startswith("layers.") and name.endswith(".fc1.bias") for name in tensors)


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's positions: float32 [length, width], sines in the first half of the channels, cosines in the second."""
    half = width // 2
    angles = torch.arange(length)[:, None] * torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half))
    return torch.cat([angles.sin(), angles.cos()], dim=1)
