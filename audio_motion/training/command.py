"""`audio-motion train`: what is asked for on the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from audio_motion.features.interface import DEFAULT
from audio_motion.files import need_output, spare_inputs
from audio_motion.models.pretrained import PRETRAINED_EXPERT, PRETRAINED_GENERATOR

if TYPE_CHECKING:
    from audio_motion.training.loop import LoopConfig
    from audio_motion.training.postnet import PostNetTraining


@dataclass(frozen=True)
class _Run:
    """What every training is asked."""

    sources: tyro.conf.Positional[tuple[Path, ...]]
    """Corpora made by `audio-motion corpus` (their train split is learnt from), capture directories made by `geneface
    process` (the same), or LandmarkSequence .npz files with their sound beside them."""
    output: Path
    """Checkpoint to write (.safetensors). TensorBoard logs go beside it, into <output>.logs."""
    features: str = DEFAULT
    """What speech is heard through: whisper (comes with the package), mel (likewise), whisper:WHERE[@LAYER] (tiny, base
    or small after `audio-motion fetch`, a directory, or a name of the Hugging Face hub), or hubert:WHERE[@LAYER] (a
    file of weights, or HUBERT_BASE)."""
    steps: int | None = None
    """Most steps taken (default: by size); training ends sooner when what is held out gets no better."""
    seed: int = 0
    """Of everything random."""
    device: str = "cpu"
    """cpu, cuda or mps."""
    devices: int = 1
    """Devices of this machine to train on together. For several machines start the command with torchrun."""

    def _loop(self, base: LoopConfig) -> LoopConfig:
        steps = base.steps if self.steps is None else self.steps
        return replace(base, steps=steps, seed=self.seed, device=self.device, devices=self.devices)


@dataclass(frozen=True)
class TrainSyncnet(_Run):
    """Train the sync expert: whether, and how late, a sound belongs to a mouth's motion.

    Runs that were interrupted go on when started again with the same arguments.
    """

    def run(self) -> None:
        """Train, with a progress bar."""
        from audio_motion.device import need_devices
        from audio_motion.models.checkpoint import load_syncnet
        from audio_motion.progress import progress_bar
        from audio_motion.training.distributed import is_main_process
        from audio_motion.training.syncnet import SyncTraining, train_syncnet

        spare_sources(self.output, self.sources)
        need_devices(self.device, self.devices)
        base = SyncTraining()
        config = replace(base, loop=self._loop(base.loop), features=self.features)
        with progress_bar("training the sync expert") as report:
            train_syncnet(self.sources, self.output, config, report)
        if is_main_process():
            accuracy = load_syncnet(self.output, features=self.features).training["accuracy"]
            print(f"wrote {self.output}: tells true from shifted sound in {accuracy:.1%} of the held-out seconds")


@dataclass(frozen=True)
class TrainGenerator(_Run):
    """Train the motion generator: speech to landmarks.

    Of one source the generator carries that person's face, of several speakers their average. Runs that were
    interrupted go on when started again with the same arguments.
    """

    size: Literal["person", "corpus", "paper"] = "person"
    """person: 0.5 M parameters for minutes of one person; corpus: 1 M for half an hour to hours of many speakers, on
    two CPU cores; paper: GeneFace's own 11 M for hundreds of hours on GPUs, never tried here."""
    expert: Path | None = None
    """Checkpoint of `audio-motion train syncnet`, of the same features: its judgement becomes part of the loss."""

    def run(self) -> None:
        """Train, with a progress bar."""
        from audio_motion.device import need_devices
        from audio_motion.progress import progress_bar
        from audio_motion.training.generator import GeneratorTraining, train_generator

        spare_sources(self.output, self.sources, self.expert)
        need_devices(self.device, self.devices)
        sizes = {"person": GeneratorTraining, "corpus": GeneratorTraining.corpus, "paper": GeneratorTraining.paper}
        base = sizes[self.size]()
        config = replace(base, loop=self._loop(base.loop), features=self.features, expert=self.expert)
        with progress_bar("training the generator") as report:
            train_generator(self.sources, self.output, config, report)
        print(f"wrote {self.output}")


@dataclass(frozen=True)
class TrainPostnet:
    """Train a post-net: a generator of many speakers moves as one person does.

    Training ends by itself, and the best state is kept. A run that was interrupted goes on when started again with the
    same arguments.
    """

    captures: tyro.conf.Positional[tuple[Path, ...]]
    """The person: capture directories made by `geneface process` (their train split is used), or LandmarkSequence .npz
    files with their sound beside them."""
    output: Path
    """Checkpoint to write (.safetensors)."""
    generator: Path = PRETRAINED_GENERATOR
    """Checkpoint of `audio-motion train generator`, of many speakers. Default: the one that comes with the package."""
    corpus: tuple[Path, ...] = ()
    """Other speech, of anybody: corpora made by `audio-motion corpus`. Without any, the person's own speech serves."""
    expert: Path | None = None
    """Checkpoint of `audio-motion train syncnet` for the same speech features: keeps lips and sound together. Default:
    the one that comes with the package for generators that hear through what it hears through, none for others."""
    features: str | None = None
    """Where the generator's speech features are now (default: where they were in its training)."""
    steps: int | None = None
    """Most steps taken; training ends sooner when held-out motion comes no nearer."""
    seed: int = 0
    """Of everything random."""
    device: str = "cpu"
    """cpu, cuda or mps."""

    def run(self) -> None:
        """Train, with a progress bar, and say what was reached."""
        from audio_motion.device import need_devices
        from audio_motion.models.checkpoint import expert_for, load_postnet
        from audio_motion.progress import progress_bar
        from audio_motion.training.postnet import train_postnet

        spare_sources(self.output, (*self.captures, *self.corpus), self.generator, self.expert or PRETRAINED_EXPERT)
        need_devices(self.device, 1)
        expert = self.expert or expert_for(self.generator, self.features)
        with progress_bar("training the post-net") as report:
            train_postnet(
                self.captures, self.corpus, self.generator, expert, self.output, self.config(), report, self.features
            )
        found = load_postnet(self.output, features=self.features).training
        before, after = found["before"]["distance"], found["after"]["distance"]
        print(f"wrote {self.output}: distance to the person's held-out motion {before:.3f} -> {after:.3f}")

    def config(self) -> PostNetTraining:
        """Of the training that is asked for."""
        from audio_motion.training.postnet import PostNetTraining

        base = PostNetTraining()
        steps = base.loop.steps if self.steps is None else self.steps
        return replace(base, loop=replace(base.loop, steps=steps, seed=self.seed, device=self.device))


def spare_sources(output: Path, sources: tuple[Path, ...], *checkpoints: Path | None) -> None:
    """Refuse to write a checkpoint over what a training reads: `spare_inputs`, and what lies in folders among sources;
    or where it cannot be written.

    A capture's own checkpoints lie in its folder and may be replaced.

    Raises:
        InputError: `output` is something that is read, or cannot be written.
    """
    from audio_motion.sequence import LandmarkSequence

    need_output(output, (*sources, *checkpoints))
    for source in sources:
        if source.is_dir():
            captured = (source / name for name in ("transforms.json", "landmarks.npz", "audio.wav", "corpus.json"))
            spare_inputs(output, (*captured, *source.glob("shard-*")))
        elif sound := LandmarkSequence.load(source).sound:
            spare_inputs(output, (source.parent / sound.file,))
        else:
            spare_inputs(output, (source.with_suffix(".wav"),))


TrainCommand = (
    Annotated[TrainSyncnet, tyro.conf.subcommand("syncnet")]
    | Annotated[TrainGenerator, tyro.conf.subcommand("generator")]
    | Annotated[TrainPostnet, tyro.conf.subcommand("postnet")]
)
