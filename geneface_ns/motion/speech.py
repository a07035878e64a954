"""Speech as motion of a person, one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audio_motion.features.level import stream_levelled
from audio_motion.media import AS_PLAYED, SAMPLE_RATE, Tracks
from audio_motion.postprocess import PostProcess
from audio_motion.predict import Generator
from geneface_ns.capture_format.person import Person
from geneface_ns.motion.eyes import generated_range, onto_range, with_eyes
from geneface_ns.motion.sequence import MotionFrame, own_eyes
from geneface_ns.motion.voice import Voice


def sound_from(path: Path, start: float, tracks: Tracks = AS_PLAYED) -> Iterator[np.ndarray]:
    """The sound of a file from second `start` on, as generators hear it: float32 chunks of mono 16 kHz, at the level
    that the whole file asks for."""
    skip = round(start * SAMPLE_RATE)
    for chunk in stream_levelled(path, tracks):
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def motion_of_speech(
    sound: Path,
    voice: Voice,
    person: Person,
    seed: int,
    temperature: float,
    start: float = 0.0,
    tracks: Tracks = AS_PLAYED,
    post: PostProcess | None = None,
) -> Iterator[MotionFrame]:
    """What a generator makes of the speech in a file, at the person's fps and on their face.

    Args:
        sound: any file with sound.
        voice: what turns speech into motion, of this person or another.
        person: who is shown.
        seed, temperature: see `Generator.stream`.
        start: second of the sound that the first frame belongs to.
        tracks: of the file, where it has several.
        post: which steps of post-processing are taken; None: the usual ones.

    Raises:
        InputError: the sound or the checkpoint cannot be used.
    """
    speaker = Generator.load(voice.generator, post=post, features=voice.features, postnet=voice.postnet)
    face = speaker.face
    # The same mean that offsets and other people's motion are laid on.
    shift = (person.mean_landmarks - face.mean).astype(np.float32)
    chunks = sound_from(sound, start, tracks)
    theirs, own = generated_range(face.eyes), own_eyes(person)
    for part in speaker.stream(chunks, person.fps, seed, temperature):
        eyes = onto_range(part.eye_openness, theirs, own)
        yield from map(MotionFrame, with_eyes(part.landmarks + shift, eyes, person.mean_landmarks), eyes)
