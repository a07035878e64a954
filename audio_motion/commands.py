"""What `audio-motion` does, a dataclass a command. Heavy packages are imported where they are used, so that help and
usage errors come at once."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from audio_motion.corpus.config import CorpusConfig
from audio_motion.errors import InputError
from audio_motion.evaluation.command import EvaluateCommand
from audio_motion.files import need_output
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.training.command import TrainCommand

if TYPE_CHECKING:
    from audio_motion.predict import Generator
    from audio_motion.sequence import LandmarkSequence


@dataclass(frozen=True)
class PredictCommand:
    """Speech to motion: a sound or video file in, a LandmarkSequence out; or live, frame after frame."""

    speech: tyro.conf.Positional[Path]
    """Any file with a sound track; or - for speech that comes through standard input while it is said."""
    output: tyro.conf.Positional[Path]
    """LandmarkSequence to write (.npz), or ARKit blendshapes as Live Link Face writes them (.csv); of live speech - for
    JSON lines on standard output, each frame at once."""
    rate: int | None = None
    """Live: samples a second of raw sound (signed 16 bit, little-endian, one channel); without it a WAV is expected."""
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
    temperature: float = 1.0
    """How far seeds differ: 0 is the likeliest motion, 1 a quarter of what the mouth moves."""
    sound_track: int | None = None
    """Which sound track of the file is the speech, from 1 (default: the one that players play)."""
    picture_track: int | None = None
    """Of a video with several picture tracks the one whose first picture is time 0, from 1."""
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
    lips: bool = True
    """Shut the lips at /p/, /b/ and /m/ (for generators that hear through `whisper`)."""
    device: str = "cpu"
    """cpu, cuda or mps."""

    def run(self) -> None:
        """Predict and write."""
        from audio_motion.arkit import save_motion
        from audio_motion.postprocess import PostProcess
        from audio_motion.predict import Generator

        checkpoint, is_live = self.generator or PRETRAINED_GENERATOR, str(self.speech) == "-"
        lines = str(self.output) == "-"
        if not is_live and (lines or self.rate is not None):
            what = "frames on standard output" if lines else "a --rate"
            raise InputError(f"{self.speech}: {what} are for live speech; give - in the place of the file")
        if not lines:
            need_output(self.output, (None if is_live else self.speech, checkpoint, self.postnet))
        post = PostProcess(
            clamp=self.clamp,
            local=self.local,
            smoothing=self.smoothing,
            mouth_amplitude=self.mouth_amplitude,
            silence=self.silence,
            lips=self.lips,
            blink=self.blink,
        )
        generator = Generator.load(checkpoint, self.device, post, self.features, self.postnet)
        motion = self._live(generator, lines) if is_live else self._of_file(generator)
        if motion is not None:
            save_motion(motion, self.output)
            print(f"wrote {self.output}: {len(motion)} frames, {motion.duration:.2f} s at {motion.fps:g} fps")
        whose = "the package's voice" if checkpoint == PRETRAINED_GENERATOR else str(checkpoint)
        said = f"spoken by {whose}, which hears through {generator.trained.features.spec}"
        print(said, file=sys.stderr if lines else sys.stdout)

    def _of_file(self, generator: Generator) -> LandmarkSequence:
        from audio_motion.media import Tracks, audio_info, show_notes

        tracks = Tracks(self.picture_track, self.sound_track)
        show_notes(self.speech, audio_info(self.speech, tracks).notes)
        return generator.predict(self.speech, self.fps, self.seed, self.temperature, tracks)

    def _live(self, generator: Generator, lines: bool) -> LandmarkSequence | None:
        """The whole of what was said; None where it went to standard output."""
        from audio_motion.live import live, write_lines
        from audio_motion.media import stream_piped

        sound = stream_piped(sys.stdin.buffer, self.rate)  # type: ignore[arg-type]
        chunks = live(generator, sound, self.fps, self.seed, self.temperature)
        if lines:
            write_lines(sys.stdout, generator, chunks, self.fps)
            return None
        return generator.sequence(chunks, self.fps, self.seed, self.temperature)


@dataclass(frozen=True)
class TrackCommand:
    """Video to motion: landmarks without head pose, as a LandmarkSequence."""

    video: tyro.conf.Positional[Path]
    """Any video of one face."""
    output: tyro.conf.Positional[Path]
    """LandmarkSequence to write (.npz), or ARKit blendshapes as Live Link Face writes them (.csv)."""
    picture_track: int | None = None
    """Which picture track of the video shows the face, from 1 (default: the one that players show)."""

    def run(self) -> None:
        """Track and write."""
        from audio_motion.arkit import save_motion
        from audio_motion.media import Tracks, probe, show_notes
        from audio_motion.tracking import track_video

        need_output(self.output, (self.video,))
        tracks = Tracks(picture=self.picture_track)
        show_notes(self.video, probe(self.video, tracks).notes)
        motion = track_video(self.video, tracks=tracks)
        save_motion(motion, self.output)
        print(f"wrote {self.output}: {len(motion)} frames, {motion.duration:.2f} s at {motion.fps:g} fps")


@dataclass(frozen=True)
class CorpusCommand(CorpusConfig):
    """A folder of talking videos to training shards: landmarks, eyes and sound on one clock, on all cores or a cluster.

    Runs that were interrupted go on when started again with the same arguments.
    """

    def run(self) -> None:
        """Make it, with a progress bar."""
        from audio_motion.corpus.make import make_corpus

        make_corpus(self)


@dataclass(frozen=True)
class FetchCommand:
    """Bring larger speech encoders than the one that comes with the package, once, for training on them offline."""

    what: tyro.conf.Positional[Literal["whisper:tiny", "whisper:base", "whisper:small"]]
    """Speech features, as --features of the trainings takes them: OpenAI's multilingual Whispers of 75, 145 and 480
    MB, of which the encoder is kept."""

    def run(self) -> None:
        """Fetch, with a progress bar, and say how it is used."""
        from audio_motion.features.whisper_fetch import fetch_whisper

        folder = fetch_whisper(self.what.partition(":")[2])
        print(f"{self.what} is in {folder}; train on it with --features {self.what}")


Command = (
    Annotated[TrainCommand, tyro.conf.subcommand("train", description="Train a model.")]
    | Annotated[PredictCommand, tyro.conf.subcommand("predict")]
    | Annotated[TrackCommand, tyro.conf.subcommand("track")]
    | Annotated[CorpusCommand, tyro.conf.subcommand("corpus")]
    | Annotated[EvaluateCommand, tyro.conf.subcommand("evaluate")]
    | Annotated[FetchCommand, tyro.conf.subcommand("fetch")]
)
