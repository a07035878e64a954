"""The methods that a head is trained by, for whoever opens one without knowing which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from geneface_ns.capture_format.person import Person
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.portrait import config_of as nerf_config
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.portrait import config_of as splat_config


class Method(NamedTuple):
    """A registered method of `ns-train`."""

    name: str
    format: int
    """Of its checkpoints; raised when the tensors or their meaning change."""
    config: type
    """The sizes that its portrait is built from besides the person."""
    config_of: Callable[[dict[str, Any]], Any]
    """Those sizes from plain values; raises ValueError, TypeError or KeyError where they are none."""
    portrait: Callable[[Person, int, Any], TalkingPortrait]
    """Builds it: person, downscale, sizes."""
    on_cuda: bool
    """Whether CUDA can hold it."""


METHOD = "geneface"
"""The one that is taken where nobody says which."""
METHODS = {
    method.name: method
    for method in (
        Method(METHOD, 3, PortraitConfig, nerf_config, Portrait, on_cuda=True),
        Method("geneface-splat", 1, SplatPortraitConfig, splat_config, SplatPortrait, on_cuda=False),
    )
}
ANY = " or ".join(f"`ns-train {name}`" for name in METHODS)
"""For messages."""


def method_of(config: object) -> Method:
    """The method whose portrait a config, or a config that has further fields, is of."""
    return next(method for method in METHODS.values() if isinstance(config, method.config))
