"""How a portrait's tensors lie in a person file, as far as the methods have it in common: the large ones in half
precision, without what follows from the person; and whether tensors of a stranger's are as large as they should be."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from geneface_ns.capture_format.person import Person
from geneface_ns.scene.torso import REACH, TorsoFieldConfig

HALF = ("torso.torso_picture", "torso.background_picture", "torso.latents.")
"""What of every portrait is stored in half precision, by the beginnings of names."""
LEFT_OUT = ("table.",)
"""What of every portrait follows from the person."""


def in_halves(
    state: Mapping[str, Tensor], half: tuple[str, ...] = (), left_out: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """A portrait's tensors on the CPU, as they are stored.

    Args:
        half: beginnings of names that are stored in half precision besides HALF.
        left_out: those that are not stored besides LEFT_OUT.
    """
    kept = {name: value.cpu() for name, value in state.items() if not name.startswith((*LEFT_OUT, *left_out))}
    return {name: value.half() if name.startswith((*HALF, *half)) else value for name, value in kept.items()}


def torso_shapes(config: TorsoFieldConfig, person: Person, downscale: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a torso's tensors that, all together, use every size that its memory depends on."""
    size = [round(side // downscale * REACH) for side in (person.height, person.width)]
    latents = 2 * config.latent_channels * len(config.latent_resolutions)
    return {
        "torso.torso_picture": (4, *size),
        "torso.background_picture": (3, *size),
        **{f"torso.latents.{i}": (2 * config.latent_channels, r, r) for i, r in enumerate(config.latent_resolutions)},
        "torso.encoder.2.weight": (config.code, 64),
        "torso.shift.0.weight": (config.hidden, latents + config.code),
        "torso.colour.0.weight": (config.hidden, latents + 7 + config.code + 8),
        "torso.colour.2.weight": (config.hidden, config.hidden),
    }


def check_shapes(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """See, before anything is built, that tensors are as large as the sizes beside them say.

    Raises:
        ValueError: one is missing or of another shape.
    """
    for name, shape in shapes.items():
        if name not in tensors:
            raise ValueError(f"{name} is missing")
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} has shape {tuple(tensors[name].shape)}, its sizes ask for {shape}")
