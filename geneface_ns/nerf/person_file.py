"""What a person file holds of a portrait of `geneface`: large tensors in half precision, occupied cells as bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audio_motion.data.json_kinds import as_kind
from geneface_ns.capture_format.person import Person
from geneface_ns.nerf.portrait import SHORTEST_STEP, Portrait, PortraitConfig
from geneface_ns.scene.stored import check_shapes, in_halves, torso_shapes

HALF = ("head.planes.", "head.lower_planes", "head.upper_planes")
"""What is stored in half precision, by the beginnings of names: planes, which are nearly all of it."""
LEFT_OUT = ("head.box", "occupancy.box", "occupancy.weight")
"""What follows from the person, or is for training."""
OCCUPIED = "occupancy.occupied"
"""Stored as bits, eight a byte."""
MOST_SAMPLES = 512
"""Along the diagonal of the head's box: a hundred are usual, and memory and time follow from them."""
FINEST_WARP = 64
"""Nodes of the warp's volume along each axis, of which no tensor tells."""


def config_of(known: dict[str, Any]) -> PortraitConfig:
    """The sizes that were kept as plain values.

    Raises:
        ValueError: they are none.
    """
    config = as_kind(known, PortraitConfig)
    if not config.sample_step >= SHORTEST_STEP:
        raise ValueError(f"sample_step is {config.sample_step}")
    return config


def sizes_of(portrait: Portrait) -> PortraitConfig:
    """What a portrait was built from, besides the person."""
    grid = portrait.occupancy
    return PortraitConfig(portrait.head.config, portrait.torso.config, grid.step, grid.resolution)


def stored(portrait: Portrait) -> dict[str, Tensor]:
    """The tensors that a person file holds of a portrait."""
    kept = in_halves(portrait.state_dict(), HALF, LEFT_OUT)
    return kept | {OCCUPIED: torch.from_numpy(np.packbits(kept[OCCUPIED].numpy()))}


def restored(
    tensors: Mapping[str, Tensor], config: PortraitConfig, person: Person, downscale: int
) -> dict[str, Tensor]:
    """The state of the portrait that a file holds tensors of.

    Raises:
        ValueError, TypeError: they are not those that the sizes ask for, or the sizes are none that a head has. Nothing
            that is larger than the file is made of them before.
    """
    check_shapes(tensors, _shapes(config, person) | torso_shapes(config.torso, person, downscale))
    if config.head.warp_resolution > FINEST_WARP:
        raise ValueError(f"warp_resolution is {config.head.warp_resolution}")
    diagonal = float(np.linalg.norm(np.diff(person.head_box, axis=0)))
    if not (config.sample_step >= SHORTEST_STEP and diagonal / config.sample_step <= MOST_SAMPLES):
        raise ValueError(f"sample_step is {config.sample_step}, the head's box {diagonal:g} across")
    cells = config.occupancy_resolution
    bits = np.unpackbits(tensors[OCCUPIED].numpy(), count=cells**3)
    return {**tensors, OCCUPIED: torch.from_numpy(bits.astype(bool)).reshape(cells, cells, cells)}


def _shapes(config: PortraitConfig, person: Person) -> dict[str, tuple[int, ...]]:
    """Shapes that, all together, use every size that the head's memory depends on."""
    head, known = config.head, int((person.is_train & person.valid).sum())
    blended = 3 * head.basis_channels * head.basis_resolution**2
    features = head.plane_channels * len(head.plane_resolutions) + head.basis_channels
    return {
        **{f"head.planes.{i}": (3, head.plane_channels, r, r) for i, r in enumerate(head.plane_resolutions)},
        # As many components as there are, up to those that `ConditionEncoder` asks for.
        "head.lower_planes": (min(12, known), blended),
        "head.upper_planes": (min(6, known) + 2, blended),
        "head.first.weight": (head.hidden, features),
        "head.rest.1.weight": (head.hidden, head.hidden),
        OCCUPIED: (-(-(config.occupancy_resolution**3) // 8),),
    }
