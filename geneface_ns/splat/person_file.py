"""What a person file holds of a portrait of `geneface-splat`: Gaussians in half precision, their bases at 8 bits, and
of the landmarks' weights those that move something."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from audio_motion.data.json_kinds import as_kind
from geneface_ns.capture_format.person import Person
from geneface_ns.scene.stored import check_shapes, in_halves, torso_shapes
from geneface_ns.splat.head import FAINT, UNITS
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig

HALF = ("head.quats", "head.scales", "head.opacities", "head.colors", "head.pose_colors")
"""What is stored in half precision, by the beginnings of names. Places are not: what they lose there is a tenth of a
pixel, and changes which of two Gaussians lies before the other."""
BASES = ("head.mouth_basis", "head.eyes_basis")
"""Stored as whole numbers of 8 bits, in steps of the 127th part of the largest of each number of a Gaussian and code:
beside them as STEP."""
STEP, MOST = ".step", 127
NEAR = ("head.near_mouth", "head.near_eyes")
"""Stored at 32 bits."""
WEIGHTS = "head.weights"
"""Of them, one Gaussian after the other, those above FAINT are stored: MOVING, how many a Gaussian has; LANDMARK,
which; WEIGHT, how much each of them moves it."""
MOVING, LANDMARK, WEIGHT = f"{WEIGHTS}.moving", f"{WEIGHTS}.landmark", f"{WEIGHTS}.weight"
MOST_GAUSSIANS = 100_000
"""Five times as many as are usual: memory and time follow from them."""
LARGEST = 1.0
"""Deviation of a Gaussian, face widths: what is larger is no part of a head, and is drawn everywhere."""


def config_of(known: dict[str, Any]) -> SplatPortraitConfig:
    """The sizes that were kept as plain values.

    Raises:
        ValueError: they are none.
    """
    return as_kind(known, SplatPortraitConfig)


def sizes_of(portrait: SplatPortrait) -> SplatPortraitConfig:
    """What a portrait was built from, besides the person."""
    return SplatPortraitConfig(portrait.head.config, portrait.torso.config)


def stored(portrait: SplatPortrait) -> dict[str, Tensor]:
    """The tensors that a person file holds of a portrait."""
    kept = in_halves(portrait.state_dict(), HALF)
    weights = kept.pop(WEIGHTS)
    moves = weights > FAINT
    kept[MOVING] = moves.sum(dim=1).to(torch.uint8)
    kept[LANDMARK] = moves.nonzero()[:, 1].to(torch.uint8)
    kept[WEIGHT] = weights[moves].half()
    for name in NEAR:
        kept[name] = kept[name].to(torch.int32)
    for name in BASES:
        basis = kept[name]
        largest = basis.abs().amax(dim=0) if len(basis) else torch.zeros(basis.shape[1:])
        kept[name + STEP] = (largest / MOST).clamp_min(torch.finfo(torch.float32).tiny)
        kept[name] = (basis / kept[name + STEP]).round().to(torch.int8)
    return kept


def restored(
    tensors: Mapping[str, Tensor], config: SplatPortraitConfig, person: Person, downscale: int
) -> dict[str, Tensor]:
    """The state of the portrait that a file holds tensors of.

    Raises:
        ValueError, RuntimeError: they are not those that the sizes ask for, or of no head. Nothing is made of them
            before that is much larger than they are.
    """
    check_shapes(tensors, _shapes(tensors, config, person) | torso_shapes(config.torso, person, downscale))
    count, landmarks = len(tensors[MOVING]), person.landmarks.landmarks.shape[1]
    if not 0 < count <= MOST_GAUSSIANS:
        raise ValueError(f"{count} Gaussians, and a head has up to {MOST_GAUSSIANS}")
    if not float(tensors["head.scales"].max()) <= math.log(LARGEST):
        raise ValueError("a Gaussian is larger than a face")
    moving, landmark = tensors[MOVING].long(), tensors[LANDMARK].long()
    if int(moving.sum()) != len(landmark) or int(landmark.min()) < 0 or int(landmark.max()) >= landmarks:
        raise ValueError(f"{LANDMARK} names landmarks that are not there, or too many or too few")
    weights = torch.zeros(count, landmarks)
    weights[torch.arange(count).repeat_interleave(moving), landmark] = tensors[WEIGHT].float()
    packed = (MOVING, LANDMARK, WEIGHT, *(name + STEP for name in BASES))
    state = {name: value for name, value in tensors.items() if name not in packed}
    return state | {WEIGHTS: weights} | {name: tensors[name] * tensors[name + STEP] for name in BASES}


def _shapes(tensors: Mapping[str, Tensor], config: SplatPortraitConfig, person: Person) -> dict[str, tuple[int, ...]]:
    """Shapes that, all together, use every size that the head's memory depends on, and belong together."""
    known = int((person.is_train & person.valid).sum())
    # As many components as there are, up to those that `ConditionEncoder` asks for.
    lower, upper = min(12, known), min(6, known) + 2
    count, pairs, mouth, eyes = (_length(tensors, name) for name in (MOVING, LANDMARK, *NEAR))
    return {
        "head.network.0.weight": (config.head.hidden, lower + upper + 6),
        **{MOVING: (count,), LANDMARK: (pairs,), WEIGHT: (pairs,)},
        **{"head.scales": (count, 3), "head.mouth_basis": (mouth, len(UNITS), lower)},
        "head.eyes_basis": (eyes, len(UNITS), upper),
        **{BASES[0] + STEP: (len(UNITS), lower), BASES[1] + STEP: (len(UNITS), upper)},
    }


def _length(tensors: Mapping[str, Tensor], name: str) -> int:
    if name not in tensors:
        raise ValueError(f"{name} is missing")
    return tensors[name].shape[0] if tensors[name].dim() else 0
