"""A trained head of Gaussians says something, as a page."""

from __future__ import annotations

from pathlib import Path

from audio_motion.errors import InputError
from geneface_ns.output.drive import conditions_of
from geneface_ns.output.options import RenderOptions
from geneface_ns.output.page.backdrop import backdrop_of
from geneface_ns.output.page.write import Shown, write_page
from geneface_ns.output.performer import Performer
from geneface_ns.output.request import Script
from geneface_ns.renderers.splat import SplatRenderer
from geneface_ns.trained.runs import Source

THREADS = 2
"""Of the one picture that is drawn."""


def perform_page(source: Source, options: RenderOptions, script: Script, page: Path, name: str | None) -> int:
    """Write the page that is asked for; returns how many frames it has.

    Args:
        script: from `script_of_page`.
        page: .html.
        name: what the person is called there; None for the capture's name.

    Raises:
        InputError: the head is none of Gaussians; the speech, the voice or the output cannot be used.
    """
    performer = Performer(source, options)
    person, renderer = performer.person, performer.renderer
    if not isinstance(renderer, SplatRenderer):
        raise InputError(
            f"{source.path}: only heads of Gaussians can be put on a page; train one: ns-train geneface-splat"
        )
    assert script.sound is not None
    portrait = renderer.portrait
    camera = portrait.camera.scaled_to(portrait.capture_size)
    shown = Shown(name or person.name, portrait.head, backdrop_of(portrait, THREADS), camera)
    motion, _, trajectory = performer.motion(script)
    conditions = conditions_of(trajectory, motion, person.fps, portrait.capture_size, portrait.device)
    return write_page(page, shown, conditions, person.fps, script.sound, options.tracks)
