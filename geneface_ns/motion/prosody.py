"""How something is said, frame by frame: what heads and brows move with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.features.frames import RATE
from audio_motion.features.prosody import PROSODY
from audio_motion.media import AS_PLAYED, Tracks, stream_audio
from geneface_ns.capture_format.capture import Capture
from geneface_ns.capture_format.person import Person
from geneface_ns.scene.person_file import SentPerson


def prosody_of(sound: Path, fps: float, tracks: Tracks = AS_PLAYED) -> np.ndarray:
    """Pitch, voicing and energy (`audio_motion.features.prosody`) of a file's sound: float32 [N, 3], frame i at
    (i + 0.5) / fps s. Read as a stream; 1 h has 1 MB.

    Raises:
        InputError: it cannot be decoded.
    """
    parts = [part[:, -PROSODY:].numpy() for part in MEL.stream(stream_audio(sound, tracks=tracks))]
    if not parts:
        raise InputError(f"{sound}: holds no sound; give another file")
    return at_rate(np.concatenate(parts), fps)


def at_rate(features: np.ndarray, fps: float) -> np.ndarray:
    """Features [T, C] at 50 Hz as [N, C] at another rate, over the same time; averaged, so that nothing is skipped."""
    count = max(1, int(np.ceil(round(len(features) / RATE * fps, 6))))
    smooth = gaussian_filter1d(features, 0.4 * RATE / fps, axis=0, mode="nearest")
    wanted, known = (np.arange(count) + 0.5) / fps, (np.arange(len(features)) + 0.5) / RATE
    return np.stack([np.interp(wanted, known, channel) for channel in smooth.T], axis=1).astype(np.float32)


def own_prosody(person: Person) -> np.ndarray:
    """Of what the person said in the video that they were learnt from: float32 [F, 3].

    Raises:
        InputError: the capture's sound is gone.
    """
    if isinstance(person, SentPerson):
        return person.prosody
    assert isinstance(person, Capture)
    audio = person.layout.audio
    if not audio.is_file():
        raise InputError(f"{audio}: missing, and heads move by what was said in it; copy the capture whole")
    return fitted(prosody_of(audio, person.fps), len(person))


def fitted(prosody: np.ndarray, frames: int) -> np.ndarray:
    """Prosody [N, 3] for so many frames: the last is held, or what is too much left out."""
    return prosody[np.arange(frames).clip(max=len(prosody) - 1)]
