"""The `audio-motion` command. Heavy packages are imported where they are used: help and usage errors come at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from audio_motion.corpus.config import CorpusConfig
from audio_motion.errors import exits_on_input_error
from audio_motion.evaluation.command import Evaluate
from audio_motion.files import spare_inputs
from audio_motion.models.own import OWN_GENERATOR
from audio_motion.training.command import Train


@dataclass(frozen=True)
class Predict:
    """Speech to motion: a sound or video file in, a LandmarkSequence out."""

    speech: tyro.conf.Positional[Path]
    """Any file with a sound track."""
    output: tyro.conf.Positional[Path]
    """LandmarkSequence to write (.npz)."""
    generator: Path | None = None
    """Checkpoint of `audio-motion train generator`. Default: the one that comes with the package."""
    postnet: Path | None = None
    """Checkpoint of `audio-motion train postnet` made for that generator: the motion becomes that person's."""
    features: str | None = None
    """Where the speech features that it was trained with are now, as in training (default: where they were then)."""
    fps: float = 25.0
    """Frames per second of the result."""
    seed: int = 0
    """Of the motion's and the blinks' randomness."""
    temperature: float = 0.1
    """0: the likeliest motion; 1: the full variety of what was learnt."""
    mouth_amplitude: float | None = None
    """Enlarge the mouth's motion so many times; by default what validation found in training."""
    smoothing: float = 0.02
    """Standard deviation of the smoothing along time, seconds; 0 turns it off."""
    local: float = 0.0
    """Draw mouth shapes so far (0 to 1) towards the person's own."""
    blink: bool = True
    """Blink every 2 to 6 s."""
    clamp: bool = True
    """Keep every point within what the person's own motion covers."""
    silence: bool = True
    """Shut the mouth where there is no sound."""
    device: str = "cpu"
    """cpu, cuda or mps."""

    def run(self) -> None:
        """Predict and write."""
        from audio_motion.postprocess import PostProcess
        from audio_motion.predict import Generator

        spare_inputs(self.output, (self.speech, self.generator, self.postnet))
        post = PostProcess(
            clamp=self.clamp,
            local=self.local,
            smoothing=self.smoothing,
            mouth_amplitude=self.mouth_amplitude,
            silence=self.silence,
            blink=self.blink,
        )
        generator = Generator.load(self.generator or OWN_GENERATOR, self.device, post, self.features, self.postnet)
        motion = generator.predict(self.speech, self.fps, self.seed, self.temperature)
        motion.save(self.output)
        print(f"wrote {self.output}: {len(motion)} frames, {motion.duration:.2f} s at {motion.fps:g} fps")


@dataclass(frozen=True)
class Track:
    """Video to motion: landmarks without head pose, as a LandmarkSequence."""

    video: tyro.conf.Positional[Path]
    """Any video of one face."""
    output: tyro.conf.Positional[Path]
    """LandmarkSequence to write (.npz)."""

    def run(self) -> None:
        """Track and write."""
        from audio_motion.tracking import track_video

        spare_inputs(self.output, (self.video,))
        motion = track_video(self.video)
        motion.save(self.output)
        print(f"wrote {self.output}: {len(motion)} frames, {motion.duration:.2f} s at {motion.fps:g} fps")


@dataclass(frozen=True)
class Corpus(CorpusConfig):
    """A folder of talking videos to training shards: landmarks, eyes and sound on one clock, on all cores or a cluster.

    Runs that were interrupted go on when started again with the same arguments.
    """

    def run(self) -> None:
        """Make it, with a progress bar."""
        from audio_motion.corpus.make import make_corpus
        from audio_motion.sync import estimate_lag

        try:
            make_corpus(self, estimate_lag)
        except KeyboardInterrupt:
            raise SystemExit(130) from None


Command = (
    Annotated[Train, tyro.conf.subcommand("train", description="Train a model.")]
    | Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Track, tyro.conf.subcommand("track")]
    | Annotated[Corpus, tyro.conf.subcommand("corpus")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `audio-motion`."""
    command = tyro.cli(
        Command,  # type: ignore[arg-type]
        args=arguments,
        prog="audio-motion",
        description="Speech and video to the motion of a face.",
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    with exits_on_input_error():
        command.run()


if __name__ == "__main__":
    main()
