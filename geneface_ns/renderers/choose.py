"""Which renderer draws a portrait."""

from __future__ import annotations

from typing import Literal

from audio_motion.errors import InputError
from geneface_ns.nerf.portrait import Portrait
from geneface_ns.renderers.contract import Renderer
from geneface_ns.renderers.cpu import CpuRenderer
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.renderers.splat import SplatRenderer
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.splat.portrait import SplatPortrait

RendererName = Literal["auto", "reference", "cpu"]


def choose_renderer(portrait: TalkingPortrait, name: RendererName = "auto", rays_per_chunk: int = 1 << 16) -> Renderer:
    """The renderer of that name; "auto" is the fastest on the device where the portrait lies.

    Args:
        rays_per_chunk: see `ReferenceRenderer`; the others do without.

    Raises:
        InputError: it does not run on that device, or does not draw that kind of head.
    """
    if isinstance(portrait, SplatPortrait):
        if name == "reference":
            raise InputError("--renderer reference: a head of Gaussians has none; leave the renderer out")
        return SplatRenderer(portrait)
    assert isinstance(portrait, Portrait)
    kind = portrait.device.type
    if name == "cpu" and kind != "cpu":
        raise InputError(f"--renderer cpu: the head is on {kind}; add --device cpu, or leave the renderer out")
    if name == "cpu" or (name == "auto" and kind == "cpu"):
        return CpuRenderer(portrait)
    return ReferenceRenderer(portrait, rays_per_chunk)
