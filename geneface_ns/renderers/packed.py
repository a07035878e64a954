"""A portrait's weights as the kernels of `kernels.head` and `kernels.torso` read them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from geneface_ns.kernels.head import HeadGrids
from geneface_ns.kernels.torso import TorsoGrids
from geneface_ns.kernels.vectors import FEW, LANES, Layer
from geneface_ns.nerf.head import DENSITY
from geneface_ns.nerf.occupancy import Occupancy
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import invert_affine, motion_features
from geneface_ns.scene.torso import REACH, TorsoField

NOTHING = np.zeros(0, np.float32)


class Packed(NamedTuple):
    """A portrait for the kernels. What a frame's condition decides is nothing until `under` has filled it in."""

    head: HeadGrids
    head_layers: tuple[Layer, Layer, Layer]
    torso: TorsoGrids
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


def merged_planes(levels: nn.ParameterList) -> Tensor:
    """Tri-planes of several resolutions [3, C, r, r] as one of the finest, the levels' channels behind each other.

    The levels' nodes do not nest, so that between the finest's nodes it differs: heads by 55 dB.
    """
    finest = max(level.shape[-1] for level in levels)
    same = [F.interpolate(x, (finest, finest), mode="bilinear", align_corners=True) for x in levels]
    return torch.cat(same, dim=1)


def jumps(occupancy: Occupancy) -> np.ndarray:
    """See `HeadGrids.jumps`."""
    occupied = occupancy.occupied.numpy()
    if not occupied.any():
        return np.full(occupied.shape, 255, np.uint8)
    apart = ndimage.distance_transform_cdt(~occupied, "chessboard")
    # A ray that moves by less than so many cells along each axis meets nothing yet.
    cell = float((occupancy.box[1] - occupancy.box[0]).min()) / occupancy.resolution
    return np.where(occupied, 0, np.clip((apart - 1) * (cell / occupancy.step), 1, 255)).astype(np.uint8)


def steps_of(box: Tensor, count: int) -> np.ndarray:
    """[2, 3] the corner of a box, and how many of `count` steps along each axis a unit has."""
    return torch.stack([box[0], count / (box[1] - box[0])]).numpy()


@torch.no_grad()
def packed(portrait: Portrait) -> Packed:
    """Pack a portrait that lies on the CPU."""
    head, head_layers = _head(portrait)
    torso, shift, colour = _torso(portrait.torso)
    return Packed(head, head_layers, torso, shift, colour)


def _head(portrait: Portrait) -> tuple[HeadGrids, tuple[Layer, Layer, Layer]]:
    head, grid = portrait.head, portrait.occupancy
    planes = filled(merged_planes(head.planes), 1, LANES)
    static, weight = sum(level.shape[1] for level in head.planes), head.first.weight
    expression = filled(weight[:, static:], 1, FEW)
    # Behind the features' weights those of the two gates, which are the frame's codes.
    first = torch.cat([filled(weight[:, :static], 1, LANES), expression, weight.new_zeros(len(weight), 2)], dim=1)
    grids = HeadGrids(
        box=head.box.numpy(),
        cells=steps_of(head.box, grid.resolution),
        jumps=jumps(grid),
        step=grid.step,
        optical=grid.step * DENSITY,
        volume_nodes=steps_of(head.warp.box, head.warp.resolution - 1),
        volume=NOTHING,
        plane_nodes=steps_of(head.box, planes.shape[-1] - 1),
        planes=planes.permute(0, 2, 3, 1).flatten().numpy(),
        face_nodes=steps_of(head.face_box, head.config.basis_resolution - 1),
        face_planes=NOTHING,
        sizes=(head.warp.resolution, planes.shape[-1], head.config.basis_resolution),
        channels=(planes.shape[1], expression.shape[1]),
    )
    return grids, (layer(first, head.first.bias), next_layer(head.rest, 1), next_layer(head.rest, 3))


def _torso(torso: TorsoField) -> tuple[TorsoGrids, tuple[Layer, Layer], tuple[Layer, Layer, Layer]]:
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
    return (
        grids,
        (layer(of_latents(shift.weight), shift.bias), next_layer(torso.shift, 2)),
        (first, next_layer(torso.colour, 2), next_layer(torso.colour, 4)),
    )


@torch.no_grad()
def under(portrait: Portrait, whole: Packed, condition: Condition) -> Packed:
    """A packed portrait under the condition of one frame."""
    head, torso = portrait.head, portrait.torso
    motion = torso.normalised(motion_features(condition.c2w, condition.body)).clamp(-4, 4)
    state = head.frame_state(condition.landmarks, condition.eye_openness, motion[:, :6])
    volume = F.pad(state.volumes[0].permute(1, 2, 3, 0), [0, 3])
    regions = filled(state.planes[0].unflatten(1, (2, -1)), 2, FEW)
    grids = whole.head._replace(
        volume=volume.flatten().numpy(), face_planes=regions.permute(0, 3, 4, 1, 2).flatten().numpy()
    )
    codes = filled(state.codes, 1, LANES).numpy()
    plain, second, last = whole.head_layers
    weight = plain.weight.copy()
    weight[:, -2:] = codes[1:].reshape(2, -1, LANES).transpose(1, 0, 2)
    code = torso.encoder(motion)[0]
    canonical = invert_affine(condition.body)[0] if torso.config.use_body_motion else torch.eye(3)[:2]
    shift_bias = linear(torso.shift, 0).weight[:, -len(code) :] @ code
    colour_bias = linear(torso.colour, 0).weight[:, -len(code) - 8 :] @ torch.cat([code, torso.head_encoder.bias])
    return Packed(
        grids,
        (Layer(weight, plain.bias + codes[0]), second, last),
        whole.torso._replace(canonical=canonical.contiguous().numpy()),
        (raised(whole.shift[0], shift_bias), *whole.shift[1:]),
        (raised(whole.colour[0], colour_bias), *whole.colour[1:]),
    )


def raised(plain: Layer, bias: Tensor) -> Layer:
    """A layer with more bias [O]."""
    return Layer(plain.weight, plain.bias + filled(bias, 0, LANES).numpy())
