"""Speech as motion of a captured person, one frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_motion.audio import SAMPLE_RATE, stream_audio
from audio_motion.errors import InputError
from audio_motion.models.own import OWN_GENERATOR
from audio_motion.predict import Generator
from audio_motion.training.loop import Progress
from geneface_ns.data.capture import Capture
from geneface_ns.drive import MotionFrame

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
    from audio_motion.training.progress import progress_bar

    print(f"no {path} of these landmarks yet: fitting {capture.person}'s own to the capture; it is kept there")
    with progress_bar(f"fit {what}") as report:
        train(path, report)
    return path


def sound_from(path: Path, start: float) -> Iterator[np.ndarray]:
    """The sound of a file from second `start` on, in float32 chunks of mono 16 kHz."""
    skip = round(start * SAMPLE_RATE)
    for chunk in stream_audio(path):
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def motion_of_speech(
    sound: Path, voice: Voice, capture: Capture, seed: int, temperature: float, start: float = 0.0
) -> Iterator[MotionFrame]:
    """What a generator makes of the speech in a file, at the capture's fps and on the captured person's face.

    Args:
        sound: any file with sound.
        voice: what turns speech into motion, of this person or another.
        capture: who is shown.
        seed, temperature: see `Generator.stream`.
        start: second of the sound that the first frame belongs to.

    Raises:
        InputError: the sound or the checkpoint cannot be used.
    """
    speaker = Generator.load(voice.generator, postnet=voice.postnet)
    face = speaker.face
    # The same mean that offsets and other people's motion are laid on.
    shift = (capture.mean_landmarks - face.mean).astype(np.float32)
    chunks = stream_audio(sound) if start == 0 else sound_from(sound, start)
    for part in speaker.stream(chunks, capture.fps, seed, temperature):
        yield from map(MotionFrame, part.landmarks + shift, part.eye_openness)
