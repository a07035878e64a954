"""Speech as motion of a captured person, one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audio_motion.audio import SAMPLE_RATE, stream_audio
from audio_motion.predict import Generator
from geneface_ns.data.capture import Capture
from geneface_ns.drive import MotionFrame

GENERATOR_FILE = "generator.safetensors"


def own_generator(capture: Capture) -> Path:
    """The generator kept in the capture directory; fitted to the capture's training part now if there is none, or if
    the capture has been processed again since.

    Raises:
        InputError: the capture is too short or silent to fit one, or its directory cannot be written to.
    """
    path = capture.folder / GENERATOR_FILE
    landmarks = capture.folder / "landmarks.npz"
    if path.is_file() and path.stat().st_mtime >= landmarks.stat().st_mtime:
        return path
    from rich.console import Console
    from rich.progress import Progress

    from audio_motion.training.generator import train_generator

    print(f"no {path} of these landmarks yet: fitting {capture.person}'s own to the capture; it is kept there")
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("fit generator", total=None)
        train_generator(
            [capture.folder],
            path,
            progress=lambda done, planned, _: progress.update(task, completed=done, total=planned),
        )
    return path


def sound_from(path: Path, start: float) -> Iterator[np.ndarray]:
    """The sound of a file from second `start` on, in float32 chunks of mono 16 kHz."""
    skip = round(start * SAMPLE_RATE)
    for chunk in stream_audio(path):
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def motion_of_speech(
    sound: Path, generator: Path, capture: Capture, seed: int, temperature: float, start: float = 0.0
) -> Iterator[MotionFrame]:
    """What a generator makes of the speech in a file, at the capture's fps and on the captured person's face.

    Args:
        sound: any file with sound.
        generator: checkpoint (.safetensors) of `audio-motion train generator`, on this person or another.
        capture: who is shown.
        seed, temperature: see `Generator.stream`.
        start: second of the sound that the first frame belongs to.

    Raises:
        InputError: the sound or the checkpoint cannot be used.
    """
    speaker = Generator.load(generator)
    face = speaker.trained.face
    # The same mean that offsets and other people's motion are laid on.
    shift = (capture.mean_landmarks - face.mean).astype(np.float32)
    chunks = stream_audio(sound) if start == 0 else sound_from(sound, start)
    for part in speaker.stream(chunks, capture.fps, seed, temperature):
        yield from map(MotionFrame, part.landmarks + shift, part.eye_openness)
