"""`geneface render`: a trained head says something, as a video with the user's own sound."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from audio_motion.errors import InputError
from geneface_ns.commands.given import either, one_of
from geneface_ns.commands.memory import explains_out_of_memory
from geneface_ns.output.options import RenderOptions

USAGE = "geneface render RUN SPEECH VIDEO"


@dataclass(frozen=True)
class RenderConfig(RenderOptions):
    """Let a trained head say something, as a video with sound: geneface render RUN SPEECH VIDEO."""

    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """Who speaks: the folder of a run of `ns-train`, its config.yml, or a capture: its newest run in outputs/
    here, or in outputs/ beside it; or a person file (.gface)."""
    speech: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="SPEECH")] = None
    """Speech to say: any audio or video file. It becomes the video's sound as it is. Or a folder of them."""
    video: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="VIDEO")] = None
    """The video to write: .mp4, .mov, .mkv or .webm; for a folder of speeches a folder."""
    load_config: Path | None = None
    """Instead of RUN."""
    audio: Path | None = None
    """Instead of SPEECH."""
    output: Path | None = None
    """Instead of VIDEO."""
    motion: Path | None = None
    """A landmark sequence (.npz), or ARKit blendshapes as Live Link Face writes them (.csv), to perform instead of what
    the speech would give."""
    suffix: Literal[".mp4", ".mov", ".mkv", ".webm"] = ".mp4"
    """Of a folder of speeches: what the videos are."""
    workers: int | None = None
    """Of a folder of speeches: videos made at once (default: one a core, of the cluster where there is one; one where
    CUDA renders)."""
    ray_address: str | None = None
    """Of a folder of speeches: address of a running Ray cluster ("auto" for the one this machine belongs to); by
    default this machine works alone. On a cluster all folders must lie under the same path on every machine."""

    def main(self) -> None:
        """Render and write the video, or the videos.

        Raises:
            InputError: anything given cannot be used; found out before the model is loaded where possible.
        """
        from geneface_ns.trained.runs import resolve

        given = one_of(USAGE, ("RUN", self.run), ("--load-config", self.load_config))
        speech = either(USAGE, ("SPEECH", self.speech), ("--audio", self.audio))
        output = one_of(USAGE, ("VIDEO", self.video), ("--output", self.output))
        options = RenderOptions(**{field.name: getattr(self, field.name) for field in fields(RenderOptions)})
        if speech is None or not speech.is_dir():
            if self.workers is not None or self.ray_address is not None:
                raise InputError("--workers and --ray-address are for a folder of speeches; leave them out")
            self._render(given, speech, output, options)
            return
        if self.motion is not None:
            raise InputError(f"--motion with a folder of speeches ({speech}); give one of the two")
        from geneface_ns.output.many import render_folder

        source = resolve(given, self.data)
        if source.said:
            print(source.said)
        with explains_out_of_memory():
            render_folder(source, options, speech, output, self.suffix, self.workers, self.ray_address)

    @explains_out_of_memory()
    def _render(self, given: Path, speech: Path | None, output: Path, options: RenderOptions) -> None:
        from geneface_ns.output.performer import Performer
        from geneface_ns.output.request import Request, script_of
        from geneface_ns.trained.runs import resolve

        source = resolve(given, self.data)
        request = Request(output, speech, self.motion)
        script = script_of(request, options, source.path)
        if source.said:
            print(source.said)
        performer = Performer(source, options)
        frames = performer.perform(request, script)
        print(f"{output}: {frames} frames, {frames / performer.person.fps:.2f} s{options.look.said}")
