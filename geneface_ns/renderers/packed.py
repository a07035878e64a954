"""A portrait's weights as the kernels of `kernels.head` and `kernels.torso` read them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from geneface_ns.kernels.head import HeadGrids
from geneface_ns.kernels.vectors import FEW, LANES, Layer
from geneface_ns.nerf.head import DENSITY
from geneface_ns.nerf.occupancy import Occupancy
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.renderers.packed_torso import PackedTorso, filled, layer, next_layer, packed_torso, torso_under
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import motion_features

NOTHING = np.zeros(0, np.float32)


class Packed(NamedTuple):
    """A portrait for the kernels. What a frame's condition decides is nothing until `under` has filled it in."""

    head: HeadGrids
    head_layers: tuple[Layer, Layer, Layer]
    torso: PackedTorso


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
    return Packed(head, head_layers, packed_torso(portrait.torso))


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


@torch.no_grad()
def under(portrait: Portrait, whole: Packed, condition: Condition) -> Packed:
    """A packed portrait under the condition of one frame."""
    head = portrait.head
    motion = portrait.torso.normalised(motion_features(condition.c2w, condition.body)).clamp(-4, 4)
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
    return Packed(
        grids,
        (Layer(weight, plain.bias + codes[0]), second, last),
        torso_under(portrait.torso, whole.torso, condition),
    )
