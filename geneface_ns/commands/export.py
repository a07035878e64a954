"""`geneface export`: a trained head as one file that one can send."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from audio_motion.errors import InputError
from audio_motion.files import need_output

if TYPE_CHECKING:
    from geneface_ns.trained.runs import Source

PLY = ".ply"


@dataclass
class ExportConfig:
    """Write a trained head as a person file: one that can be sent, and rendered without its capture."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Who it is: the folder of a run of `ns-train`, its config.yml, or a capture: its newest run in outputs/ here, or
    in outputs/ beside it, for a .ply of geneface-splat. Or, for a .ply, a person file (.gface)."""
    output: Annotated[Path, tyro.conf.Positional]
    """The person file to write: .gface. Or, of a head of Gaussians, its still face for viewers of Gaussians: .ply."""
    consent: str | None = None
    """What the file is to say of the person's consent, as in "Anna agreed on 3 May 2026; for the museum's tour"."""
    name: str | None = None
    """What the person is called there, and wherever the file is shown. Default: the capture's name."""
    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""

    def main(self) -> None:
        """Fit the post-net where there is none yet, and write the file.

        Raises:
            InputError: the training or its capture cannot be used, or the file cannot be written.
        """
        from geneface_ns.capture_format.person import PERSON_FILE
        from geneface_ns.trained.checkpoint import find_run
        from geneface_ns.trained.methods import SPLAT
        from geneface_ns.trained.runs import resolve

        if self.output.suffix.lower() not in (PERSON_FILE, PLY):
            raise InputError(f"{self.output}: give the person file a name that ends in {PERSON_FILE} (or {PLY})")
        if self.name is not None and not self.name.strip():
            raise InputError("--name is empty; say what the person is called, or leave it out")
        ply = self.output.suffix.lower() == PLY
        source = resolve(self.run, self.data, SPLAT if ply else None)
        if source.said:
            print(source.said)
        if not ply:
            find_run(source.path)
        need_output(self.output, (self.run, self.data))
        if ply:
            self._write_ply(source)
        else:
            self._write_person_file(source)

    def _write_ply(self, source: Source) -> None:
        from geneface_ns.output.ply import write_ply
        from geneface_ns.splat.portrait import SplatPortrait
        from geneface_ns.trained.load import load_trained

        portrait = load_trained(source.path, source.data, "cpu").portrait
        if not isinstance(portrait, SplatPortrait):
            raise InputError(f"{source.path}: only heads of Gaussians make a {PLY}; ns-train geneface-splat trains one")
        count = write_ply(self.output, portrait.head)
        print(f"{self.output}: {count} Gaussians, {self.output.stat().st_size / 1e6:.1f} MB")

    def _write_person_file(self, source: Source) -> None:
        from audio_motion.models.pretrained import PRETRAINED_GENERATOR
        from geneface_ns.motion.prosody import own_prosody
        from geneface_ns.motion.voice import own_postnet
        from geneface_ns.scene.person_file import write_person_file
        from geneface_ns.trained.checkpoint import load_run
        from geneface_ns.trained.person_file import person_file

        portrait, capture, step = load_run(source.path, source.data, "cpu")
        postnet = own_postnet(capture, PRETRAINED_GENERATOR)
        file = person_file(portrait, capture, step, postnet, own_prosody(capture), self.consent, self.name)
        write_person_file(self.output, file)
        card = file.card
        width, height = card.size
        print(
            f"{self.output}: {self.output.stat().st_size / 1e6:.1f} MB, {card.name} at {width}x{height} after "
            f"{card.trained_steps} steps"
        )
        if card.consent is None:
            print("it says nothing of the person's consent; --consent makes it say so")
