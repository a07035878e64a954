"""Weights as the kernels read them, and those of a torso as `kernels.torso` does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geneface_ns.kernels.torso import TorsoGrids
from geneface_ns.kernels.vectors import FEW, LANES, Layer
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import invert_affine, motion_features
from geneface_ns.scene.torso import REACH, TorsoField


class PackedTorso(NamedTuple):
    """A torso for the kernels. What a frame's condition decides is nothing until `torso_under` has filled it in."""

    grids: TorsoGrids
    shift: tuple[Layer, Layer]
    colour: tuple[Layer, Layer, Layer]


def filled(values: Tensor, axis: int, multiple: int) -> Tensor:
    """Zeros behind an axis until its length is a multiple."""
    missing = -values.shape[axis] % multiple
    return F.pad(values, [0, 0] * (values.dim() - 1 - axis % values.dim()) + [0, missing])


def layer(weight: Tensor, bias: Tensor) -> Layer:
    """A linear layer [O, I], [O]."""
    weight, bias = filled(weight, 0, LANES), filled(bias, 0, LANES)
    lanes = weight.reshape(-1, LANES, weight.shape[1]).transpose(1, 2)
    return Layer(lanes.contiguous().numpy(), bias.contiguous().numpy())


def linear(perceptron: nn.Sequential, place: int) -> nn.Linear:
    """The layer at a place of a perceptron."""
    found = perceptron[place]
    assert isinstance(found, nn.Linear)
    return found


def next_layer(perceptron: nn.Sequential, place: int) -> Layer:
    """A layer behind another one: it sees that one's filled up outputs."""
    own = linear(perceptron, place)
    return layer(filled(own.weight, 1, LANES), own.bias)


@torch.no_grad()
def packed_torso(torso: TorsoField) -> PackedTorso:
    """Pack a torso that lies on the CPU."""
    half = torso.config.latent_channels
    width = 2 * half * len(torso.latents)

    def of_latents(weight: Tensor) -> Tensor:
        """The weights [O, I] of the latents, with those of the channels that fill them up."""
        return filled(weight[:, :width].reshape(len(weight), -1, half), 2, FEW).flatten(1)

    def latents(level: Tensor) -> np.ndarray:
        halves = filled(level.unflatten(0, (2, half)), 1, FEW).unflatten(1, (-1, FEW))
        return halves.permute(0, 1, 3, 4, 2).flatten().numpy()

    def picture(values: Tensor) -> np.ndarray:
        return filled(values, 0, FEW).permute(1, 2, 0).flatten().numpy()

    grids = TorsoGrids(
        reach=REACH,
        canonical=np.zeros((2, 3), np.float32),
        furthest=torso.config.max_shift,
        latents=tuple(latents(level) for level in torso.latents),
        sizes=tuple(level.shape[-1] for level in torso.latents),
        torso=picture(torso.torso_picture),
        background=picture(torso.background_picture),
        size=(torso.torso_picture.shape[1], torso.torso_picture.shape[2]),
    )
    shift, colour = linear(torso.shift, 0), linear(torso.colour, 0)
    pictures = F.pad(colour.weight[:, width : width + 7], [0, 1])
    seen = colour.weight[:, -8:] @ torso.head_encoder.weight
    first = layer(torch.cat([of_latents(colour.weight), pictures, seen], dim=1), colour.bias)
    return PackedTorso(
        grids,
        (layer(of_latents(shift.weight), shift.bias), next_layer(torso.shift, 2)),
        (first, next_layer(torso.colour, 2), next_layer(torso.colour, 4)),
    )


@torch.no_grad()
def torso_under(torso: TorsoField, whole: PackedTorso, condition: Condition) -> PackedTorso:
    """A packed torso under the condition of one frame."""
    motion = torso.normalised(motion_features(condition.c2w, condition.body)).clamp(-4, 4)
    code = torso.encoder(motion)[0]
    canonical = invert_affine(condition.body)[0] if torso.config.use_body_motion else torch.eye(3)[:2]
    shift_bias = linear(torso.shift, 0).weight[:, -len(code) :] @ code
    colour_bias = linear(torso.colour, 0).weight[:, -len(code) - 8 :] @ torch.cat([code, torso.head_encoder.bias])
    return PackedTorso(
        whole.grids._replace(canonical=canonical.contiguous().numpy()),
        (raised(whole.shift[0], shift_bias), *whole.shift[1:]),
        (raised(whole.colour[0], colour_bias), *whole.colour[1:]),
    )


def raised(plain: Layer, bias: Tensor) -> Layer:
    """A layer with more bias [O]."""
    return Layer(plain.weight, plain.bias + filled(bias, 0, LANES).numpy())
