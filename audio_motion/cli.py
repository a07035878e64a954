"""The `audio-motion` command. Heavy packages are imported where they are used: help and usage errors come at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from audio_motion.corpus.config import CorpusConfig
from audio_motion.errors import exits_on_input_error

if TYPE_CHECKING:
    from audio_motion.training.generator import GeneratorTraining


@dataclass(frozen=True)
class Train:
    """Train a model: the motion generator, on captures, or on landmark sequences with their sound beside them.

    Runs that were interrupted go on when started again with the same arguments.
    """

    model: tyro.conf.Positional[Literal["generator"]]
    """Which model."""
    captures: tuple[Path, ...]
    """Capture directories made by `geneface process` (their train split is used), or LandmarkSequence .npz files. The
    first one's person is the one whose face the generator moves."""
    output: Path
    """Checkpoint to write (.safetensors)."""
    size: Literal["small", "paper"] = "small"
    """small: 0.5 M parameters for minutes of speech on two CPU cores; paper: 11 M for hours of speech on a GPU."""
    steps: int | None = None
    """Most steps taken (default: by size); training ends sooner when held-out speech gets no better."""
    features: str = "mel"
    """What speech is heard through: mel (built in), whisper:WHERE[@LAYER] (a directory, or a name of the Hugging Face
    hub), or hubert:WHERE[@LAYER] (a file of weights, or HUBERT_BASE)."""
    seed: int = 0
    """Of everything random."""
    device: str = "cpu"
    """cpu, cuda or mps."""

    def run(self) -> None:
        """Train, with a progress bar."""
        from audio_motion.training.generator import train_generator
        from audio_motion.training.progress import progress_bar

        with progress_bar("training the generator") as report:
            train_generator(list(self.captures), self.output, self._config(), report)
        print(f"wrote {self.output}")

    def _config(self) -> GeneratorTraining:
        from audio_motion.training.generator import GeneratorTraining

        base = GeneratorTraining.paper() if self.size == "paper" else GeneratorTraining()
        steps = base.steps if self.steps is None else self.steps
        return replace(base, steps=steps, features=self.features, seed=self.seed, device=self.device)


@dataclass(frozen=True)
class Predict:
    """Speech to motion: a sound or video file in, a LandmarkSequence out."""

    speech: tyro.conf.Positional[Path]
    """Any file with a sound track."""
    output: tyro.conf.Positional[Path]
    """LandmarkSequence to write (.npz)."""
    generator: Path
    """Checkpoint of `audio-motion train generator`."""
    features: str | None = None
    """Where the speech features that it was trained with are now, as in training (default: where they were then)."""
    fps: float = 25.0
    """Frames per second of the result."""
    seed: int = 0
    """Of the motion's and the blinks' randomness."""
    temperature: float = 0.3
    """0: the likeliest motion; 1: the full variety of what was learnt."""
    mouth_amplitude: float | None = None
    """Enlarge the mouth's motion so many times; by default what validation found in training."""
    smoothing: float = 0.02
    """Standard deviation of the smoothing along time, seconds; 0 turns it off."""
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

        post = PostProcess(
            clamp=self.clamp,
            smoothing=self.smoothing,
            mouth_amplitude=self.mouth_amplitude,
            silence=self.silence,
            blink=self.blink,
        )
        generator = Generator.load(self.generator, self.device, post, self.features)
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
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Track, tyro.conf.subcommand("track")]
    | Annotated[Corpus, tyro.conf.subcommand("corpus")]
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
