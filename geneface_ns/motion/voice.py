"""Which voice a face follows, and fitting what must be fitted to a capture for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audio_motion.errors import InputError
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.models.store import Inside
from audio_motion.training.loop import Progress
from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.person import Person
from geneface_ns.scene.person_file import SentPerson

BY_NAME = ("prior", "person")
"""Generators that are no file of the user's."""
GENERATOR_FILE, POSTNET_FILE = "generator.safetensors", "postnet.safetensors"


@dataclass(frozen=True)
class Voice:
    """What turns speech into motion."""

    generator: Path
    """Checkpoint of `audio-motion train generator`."""
    postnet: Path | Inside | None = None
    """Checkpoint of `audio-motion train postnet`, for that generator."""
    features: str | None = None
    """Where the generator's speech features are now; None: where they were in its training."""


def voice_of(person: Person, name: str, features: str | None = None) -> Voice:
    """The voice of that name. What must be fitted to a capture for it is fitted now and kept in its directory; a person
    out of a file has the package's generator fitted already.

    Args:
        name: "prior": the generator that comes with the package; or the path of a checkpoint of your own; each of many
            speakers gets a post-net fitted to the capture. "person": a generator fitted to the capture alone. A
            checkpoint of one speaker speaks as that one does.
        features: where the speech features of a checkpoint of your own are now.

    Raises:
        InputError: the checkpoint cannot be used, the capture is too short or silent to fit anything, or its directory
            cannot be written to; or there is no capture, and something would have to be fitted to one.
    """
    if features and name in BY_NAME:
        raise InputError(f"--features {features}: the generator {name!r} hears through the built-in ones; leave it out")
    if isinstance(person, SentPerson):
        return _fitted_before(person, name, features)
    assert isinstance(person, Capture)
    if name == "person":
        return Voice(own_generator(person))
    if name == "prior":
        return Voice(PRETRAINED_GENERATOR, own_postnet(person, PRETRAINED_GENERATOR))
    from audio_motion.models.checkpoint import load_generator

    generator = Path(name)
    alone = load_generator(generator, features=features).training.get("speakers") == 1
    return Voice(generator, None if alone else own_postnet(person, generator, features), features)


def _fitted_before(person: SentPerson, name: str, features: str | None) -> Voice:
    """The voice of a person whose file holds all that can be fitted to them."""
    from audio_motion.models.checkpoint import load_generator, load_postnet

    file = person.postnet.file
    if name == "person":
        raise InputError(
            f"--generator person: {file} holds no sound of the person to fit one to; leave it out, or give the run's "
            "folder"
        )
    generator = PRETRAINED_GENERATOR if name == "prior" else Path(name)
    trained = load_generator(generator, features=features)
    if load_postnet(person.postnet).generator_sha256 == trained.sha256:
        return Voice(generator, person.postnet, features)
    if name == "prior":
        raise InputError(
            f"{file}: was made for the generator of another release; use that one, or have it exported again with this"
        )
    if trained.training.get("speakers") != 1:
        print(f"{generator} is of many speakers, and {file} has no post-net for it: their motion is shown as it is")
    return Voice(generator, None, features)


def own_generator(capture: Capture) -> Path:
    """The generator kept in the capture directory; fitted to the capture's training part now if there is none, or if
    the capture has been processed again since."""

    def train(path: Path, progress: Progress) -> None:
        from audio_motion.training.generator import train_generator

        train_generator([capture.folder], path, progress=progress)

    return _kept(capture, GENERATOR_FILE, "generator", train)


def own_postnet(capture: Capture, generator: Path, features: str | None = None) -> Path:
    """The post-net for a generator that is kept in the capture directory, fitted as `own_generator` is; each generator
    has its own."""
    from audio_motion.models.checkpoint import expert_for, load_generator, load_postnet

    sha256 = load_generator(generator, features=features).sha256

    def train(path: Path, progress: Progress) -> None:
        from audio_motion.training.postnet import train_postnet

        expert = expert_for(generator, features)
        train_postnet([capture.folder], [], generator, expert, path, progress=progress, features=features)

    def fits(path: Path) -> bool:
        try:
            return load_postnet(path, features=features).generator_sha256 == sha256
        except InputError:
            return False  # of an older release, say: it is fitted again

    name = POSTNET_FILE if generator == PRETRAINED_GENERATOR else f"postnet-{sha256[:12]}.safetensors"
    return _kept(capture, name, "post-net", train, fits)


def _kept(
    capture: Capture,
    name: str,
    what: str,
    train: Callable[[Path, Progress], None],
    fits: Callable[[Path], bool] = lambda path: True,
) -> Path:
    path = capture.folder / name
    landmarks = capture.folder / "landmarks.npz"
    if path.is_file() and path.stat().st_mtime >= landmarks.stat().st_mtime and fits(path):
        return path
    from audio_motion.progress import progress_bar

    print(f"no {path} of these landmarks yet: fitting {capture.name}'s own to the capture; it is kept there")
    with progress_bar(f"fit {what}") as report:
        train(path, report)
    return path
