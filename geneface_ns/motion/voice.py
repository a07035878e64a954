"""Which voice a face follows, and fitting what must be fitted to a capture for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audio_motion.errors import InputError
from audio_motion.models.own import OWN_GENERATOR
from audio_motion.training.loop import Progress
from geneface_ns.capture_format.capture import Capture

GENERATOR_FILE, POSTNET_FILE = "generator.safetensors", "postnet.safetensors"


@dataclass(frozen=True)
class Voice:
    """What turns speech into motion."""

    generator: Path
    """Checkpoint of `audio-motion train generator`."""
    postnet: Path | None = None
    """Checkpoint of `audio-motion train postnet`, for that generator."""


def voice_of(capture: Capture, name: str) -> Voice:
    """The voice of that name; what must be fitted to the capture for it is fitted now and kept in its directory.

    Args:
        name: "prior": the generator that comes with the package, with a post-net fitted to the capture; "person": a
            generator fitted to the capture alone; or a checkpoint's path.

    Raises:
        InputError: the capture is too short or silent to fit anything, or its directory cannot be written to.
    """
    if name == "person":
        return Voice(own_generator(capture))
    if name == "prior":
        return Voice(OWN_GENERATOR, own_postnet(capture, OWN_GENERATOR))
    return Voice(Path(name))


def own_generator(capture: Capture) -> Path:
    """The generator kept in the capture directory; fitted to the capture's training part now if there is none, or if
    the capture has been processed again since."""

    def train(path: Path, progress: Progress) -> None:
        from audio_motion.training.generator import train_generator

        train_generator([capture.folder], path, progress=progress)

    return _kept(capture, GENERATOR_FILE, "generator", train)


def own_postnet(capture: Capture, generator: Path) -> Path:
    """The post-net kept in the capture directory, fitted as `own_generator` is, and again if it belongs to another
    generator."""
    from audio_motion.models.checkpoint import load_generator, load_postnet

    def train(path: Path, progress: Progress) -> None:
        from audio_motion.models.own import OWN_EXPERT
        from audio_motion.training.postnet import train_postnet

        train_postnet([capture.folder], [], generator, OWN_EXPERT, path, progress=progress)

    def fits(path: Path) -> bool:
        try:
            return load_postnet(path).generator_sha256 == load_generator(generator).sha256
        except InputError:
            return False  # of an older release, say: it is fitted again

    return _kept(capture, POSTNET_FILE, "post-net", train, fits)


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

    print(f"no {path} of these landmarks yet: fitting {capture.person}'s own to the capture; it is kept there")
    with progress_bar(f"fit {what}") as report:
        train(path, report)
    return path
