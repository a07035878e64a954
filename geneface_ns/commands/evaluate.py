"""`geneface evaluate`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from audio_motion.errors import InputError
from audio_motion.evaluation.phones import bilabials
from audio_motion.files import need_output, written_whole
from audio_motion.media import audio_info
from geneface_ns.commands.given import one_of
from geneface_ns.commands.memory import explains_out_of_memory


@dataclass
class EvaluateConfig:
    """Measure a trained head on the test split of its capture, and show it beside the real person."""

    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """Who is measured: the folder of a run of `ns-train`, its config.yml, or a capture: its newest run in
    outputs/ here, or in outputs/ beside it."""
    load_config: Path | None = None
    """Instead of RUN."""
    output: Path | None = None
    """Folder for evaluation.json and side_by_side.mp4. Default: evaluation/ beside the config."""
    generator: str = "prior"
    """What turns speech into motion. prior: the generator that comes with the package, with a post-net fitted to the
    capture; person: a generator fitted to the capture alone; or a checkpoint (.safetensors) of your own, with a
    post-net fitted to the capture if it is of many speakers. What must be fitted is fitted once and kept in the
    capture's directory."""
    features: str | None = None
    """Where the speech features of a checkpoint of your own are now, as in training (default: where they were then)."""
    seed: int = 0
    """Of the generator."""
    temperature: float = 1.0
    """How far seeds differ: 0 is the likeliest motion, 1 a quarter of what the mouth moves."""

    audio: tuple[Path, ...] = ()
    """Speech of strangers: how much worse the head looks under it than under the person's own, by measures that need no
    real frames (the first 8 s of each), and how alike the person it moves (20 s). Where a .json of the same name lists
    "phones": [[name, start, end], …], also how often the mouth shuts for /p b m/."""

    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders; auto is CUDA where there is one."""
    renderer: Literal["auto", "reference", "cpu"] = "auto"
    """How it is rendered, as for `geneface render`."""

    @explains_out_of_memory()
    def main(self) -> None:
        """Evaluate, print the table, write the files.

        Raises:
            InputError: the training or its capture cannot be used, or there is no test split.
        """
        from geneface_ns.trained.checkpoint import find_run, load_run
        from geneface_ns.trained.runs import resolve

        given = one_of("geneface evaluate RUN", ("RUN", self.run), ("--load-config", self.load_config))
        source = resolve(given, self.data)
        if source.said:
            print(source.said)
        folder = self.output or find_run(source.path) / "evaluation"
        report_file, video = folder / "evaluation.json", folder / "side_by_side.mp4"
        phones = (path.with_suffix(".json") for path in self.audio)
        inputs = (source.path, Path(self.generator), *self.audio, *phones)
        for output in (report_file, video):
            need_output(output, inputs)
        for path in self.audio:
            audio_info(path)
            bilabials(path.with_suffix(".json"))
        import numpy as np

        from geneface_ns.evaluation.artefacts import Artefacts
        from geneface_ns.evaluation.as_used import Stage, as_used
        from geneface_ns.evaluation.evaluate import CEILING, CEILING_IS, MODES, evaluate, known
        from geneface_ns.evaluation.foreign import driven, filmed, mean_of, over_own
        from geneface_ns.evaluation.heads import heads
        from geneface_ns.evaluation.perceptual import make_perceptual
        from geneface_ns.evaluation.table import show
        from geneface_ns.motion.prosody import own_prosody, prosody_of
        from geneface_ns.motion.speech import motion_of_speech
        from geneface_ns.motion.voice import voice_of
        from geneface_ns.renderers.choose import choose_renderer

        portrait, capture, step = load_run(source.path, source.data, self.device)
        test = np.flatnonzero(~capture.is_train)
        if not capture.valid[test].any():
            raise InputError(f"{capture.folder}: has no test frames with a face; run `geneface process` again")
        voice = voice_of(capture, self.generator, self.features)
        start = float(test[0] / capture.fps)
        speech = motion_of_speech(
            capture.folder / "audio.wav", voice, capture, self.seed, self.temperature, start=start
        )
        lpips = make_perceptual()
        renderer, size = choose_renderer(portrait, self.renderer), portrait.camera.size
        modes = evaluate(renderer, capture, test, speech, size, lpips, video)
        strangers: dict[str, dict[str, float]] = {}
        if self.audio:

            def under(sound: Path) -> Artefacts:
                motion = motion_of_speech(sound, voice, capture, self.seed, self.temperature)
                return driven(renderer, capture, motion, size)

            own = under(capture.layout.audio)
            strangers = {CEILING: filmed(capture, size).summary(), "own speech": own.summary()}
            ratios = {path.name: over_own(under(path), own) for path in self.audio}
            strangers |= {**ratios, "mean of the speeches": mean_of(ratios.values())}
        own_said = own_prosody(capture)
        stage = Stage(renderer, capture, test, own_said, size)
        used = as_used(stage, voice, {path.name: path for path in self.audio}, self.seed, self.temperature)
        said = [prosody_of(path, capture.fps) for path in self.audio] or [stage.said]
        moves = heads(capture, own_said, said)
        report = {
            "schema_version": 3,
            "capture": str(capture.folder),
            "step": step,
            "size": portrait.camera.size,
            "test_frames": [int(test[0]), int(test[-1])],
            "lpips": lpips if isinstance(lpips, str) else "AlexNet",
            "modes": {mode.name: {"what": mode.what, **modes[mode.name]} for mode in MODES},
            "ceiling": {"what": CEILING_IS, **modes[CEILING]},
            "driven": {name: known(figures) for name, figures in strangers.items()},
            "as_used": used if isinstance(used, str) else {name: known(figures) for name, figures in used.items()},
            "heads": moves if isinstance(moves, str) else {name: known(asdict(row)) for name, row in moves.items()},
        }
        with written_whole(report_file) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n")
        show(report)
        print(f"{report_file}, {video}")
