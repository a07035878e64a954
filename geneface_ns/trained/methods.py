"""The methods that a head is trained by, for whoever opens one without knowing which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from geneface_ns.capture_format.person import Person
from geneface_ns.nerf import person_file as nerf_file
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.splat import person_file as splat_file
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig


class Method(NamedTuple):
    """A registered method of `ns-train`."""

    name: str
    format: int
    """Of its checkpoints; raised when the tensors or their meaning change."""
    config: type
    """The sizes that its portrait is built from besides the person."""
    config_of: Callable[[dict[str, Any]], Any]
    """Those sizes from plain values; raises ValueError where they are none."""
    portrait: type[Any]
    """Built from person, downscale, sizes."""
    sizes_of: Callable[[Any], Any]
    """The sizes that a portrait was built from."""
    stored: Callable[[Any], dict[str, Tensor]]
    """What a person file holds of a portrait."""
    restored: Callable[[Mapping[str, Tensor], Any, Person, int], dict[str, Tensor]]
    """A portrait's state of what a file holds, of sizes, person and downscale; raises what `DAMAGED` names."""
    on_cuda: bool
    """Whether CUDA can hold it."""


METHOD, SPLAT = "geneface", "geneface-splat"
"""The one that is taken where nobody says which, and the one whose heads are Gaussians."""
METHODS = {
    method.name: method
    for method in (
        Method(
            *(METHOD, 3, PortraitConfig, nerf_file.config_of, Portrait),
            *(nerf_file.sizes_of, nerf_file.stored, nerf_file.restored),
            on_cuda=True,
        ),
        Method(
            *(SPLAT, 1, SplatPortraitConfig, splat_file.config_of, SplatPortrait),
            *(splat_file.sizes_of, splat_file.stored, splat_file.restored),
            on_cuda=False,
        ),
    )
}
ANY = " or ".join(f"`ns-train {name}`" for name in METHODS)
"""For messages."""


def method_of(config: object) -> Method:
    """The method whose portrait a config, or a config that has further fields, is of."""
    return next(method for method in METHODS.values() if isinstance(config, method.config))


def method_of_portrait(portrait: TalkingPortrait) -> Method:
    """The method that a portrait is of."""
    return next(method for method in METHODS.values() if isinstance(portrait, method.portrait))
