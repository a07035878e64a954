"""`geneface page`: a trained head of Gaussians says something, as one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from audio_motion.errors import InputError


@dataclass
class PageConfig:
    """Let a trained head of Gaussians say something, as a web page: one file that a browser plays on its own."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Who speaks: the folder of a run of `ns-train geneface-splat`, its config.yml, or a capture: the newest such run
    in outputs/ here, or in outputs/ beside it; or a person file (.gface) of a head of Gaussians."""
    speech: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SPEECH")]
    """Speech to say: any audio or video file."""
    output: Annotated[Path, tyro.conf.Positional]
    """The page to write: .html."""
    name: str | None = None
    """What the person is called there. Default: the capture's name."""
    head_motion: float = 1.0
    """How much the head moves, as part of what was filmed: 0 to 1.5."""
    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""

    def main(self) -> None:
        """Write the page.

        Raises:
            InputError: anything given cannot be used.
        """
        from geneface_ns.output.options import RenderOptions
        from geneface_ns.output.page.perform import perform_page
        from geneface_ns.output.request import script_of_page
        from geneface_ns.trained.methods import SPLAT
        from geneface_ns.trained.runs import resolve

        if self.output.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"{self.output}: give the page a name that ends in .html")
        source = resolve(self.run, self.data, SPLAT)
        options = RenderOptions(data=self.data, device="cpu", head_motion=self.head_motion)
        script = script_of_page(self.speech, self.output, options, source.path)
        if source.said:
            print(source.said)
        frames = perform_page(source, options, script, self.output, self.name)
        print(f"{self.output}: {frames} frames, {self.output.stat().st_size / 1e6:.1f} MB")
