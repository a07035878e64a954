"""Speech -> motion while it is said: a frame waits for 0.1 s of sound after it, and for nothing else.

Every frame is made anew from the last two seconds: they are heard by themselves, the generator moves the face to them,
and the third from the end is what the face shows. Nothing is carried over from frame to frame but the sound and its
level, so that a frame depends on what was said and not on how it arrived.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TextIO

import numpy as np

from audio_motion.errors import InputError
from audio_motion.features.frames import HOP
from audio_motion.features.level import SpeechLevel, louder
from audio_motion.features.stream_buffer import StreamBuffer
from audio_motion.media import SAMPLE_RATE
from audio_motion.models.generator import FEATURES_PER_MOTION, MOTION_RATE, STRIDE, TEMPERATURE
from audio_motion.models.moment import HEARD, LOOK_AHEAD, SHOWN, WINDOW, hear
from audio_motion.models.noise import performance_noise
from audio_motion.predict import Generator, MotionChunk

_ADAPTS = 1.0
"""Seconds in which the gain goes most of the way to what the speech so far asks for."""
_PER_MOTION = HOP * FEATURES_PER_MOTION
_AHEAD = round(LOOK_AHEAD * SAMPLE_RATE)


def live(
    generator: Generator,
    chunks: Iterable[np.ndarray],
    fps: float = MOTION_RATE,
    seed: int = 0,
    temperature: float = TEMPERATURE,
) -> Iterator[MotionChunk]:
    """Motion for speech that is being said.

    Args:
        chunks: float32 mono 16 kHz as it comes, of any lengths; brought to an ordinary level as it goes on.
        fps: frames per second of the result; one above 25 waits up to 0.04 s more.
        seed, temperature: as `Generator.stream`.

    Yields:
        as `Generator.stream`, every frame as soon as the sound up to LOOK_AHEAD after it has come; what is said last is
        followed by silence.

    Raises:
        InputError: there is no sound, or fps, temperature or seed make no sense.
    """
    generator.check(fps, seed, temperature)
    return _frames(generator, chunks, fps, seed, temperature)


def _frames(
    generator: Generator, chunks: Iterable[np.ndarray], fps: float, seed: int, temperature: float
) -> Iterator[MotionChunk]:
    motion, before, done = _motion(generator, chunks, seed, temperature), None, 0
    for number, (offsets, until) in enumerate(motion):
        pair = np.stack([offsets if before is None else before, offsets])
        numbers = np.arange(done, max(done, _count(until, fps)))
        if len(numbers):
            yield generator.shown(pair, number - 1, numbers, fps, seed)
            done += len(numbers)
        before = offsets


def _count(until: Fraction, fps: float) -> int:
    """How many frames lie before that second."""
    return -int(-until * Fraction(fps) // 1)


def _motion(
    generator: Generator, chunks: Iterable[np.ndarray], seed: int, temperature: float
) -> Iterator[tuple[np.ndarray, Fraction]]:
    """Motion frame after motion frame at 25 Hz, offsets [68, 3], and the second before which all is answered."""
    sound, level, gain, number = StreamBuffer(np.zeros(0, np.float32)), SpeechLevel(), 1.0, 0
    for chunk in chunks:
        sound.add(chunk)
        level.add(chunk)
        while sound.end >= number * _PER_MOTION + _AHEAD:
            gain += (level.gain() - gain) / (_ADAPTS * MOTION_RATE)
            # A hair later than the frame itself, which is answered too.
            yield _moment(generator, sound, number, gain, seed, temperature), Fraction(number * 1000 + 1, 25_000)
            number += 1
            sound.forget(number * _PER_MOTION + _AHEAD - HEARD)
    if sound.end == 0:
        raise InputError("the speech holds no samples; give chunks with sound in them")
    while number * _PER_MOTION < sound.end:
        end = Fraction(min(sound.end, (number + 1) * _PER_MOTION), SAMPLE_RATE)
        yield _moment(generator, sound, number, gain, seed, temperature), end
        number += 1


def _moment(
    generator: Generator, sound: StreamBuffer, number: int, gain: float, seed: int, temperature: float
) -> np.ndarray:
    """Offsets [68, 3] of a motion frame."""
    now = number * _PER_MOTION + _AHEAD
    features = hear(generator.trained.features, louder(sound.rows(now - HEARD, now), gain))
    first = number - SHOWN - WINDOW
    noise = performance_noise(generator.trained.model.config.latent, np.arange(first, first + WINDOW, STRIDE), seed)
    return generator.offsets(features, temperature * noise)[SHOWN]


def write_lines(file: TextIO, generator: Generator, chunks: Iterable[MotionChunk], fps: float) -> None:
    """JSON lines, each as soon as it is known: first whose face it is, then a line a frame (docs/conventions.md)."""

    def write(facts: dict[str, object]) -> None:
        print(json.dumps(facts), file=file, flush=True)

    face = generator.face
    for chunk in chunks:
        if chunk.first == 0:  # not before: sound that is refused leaves nothing behind
            facts = {"schema_version": 1, "space": "head", "fps": fps}
            write({**facts, "person": face.person, "mean": _rounded(face.mean)})
        for number, (landmarks, eyes) in enumerate(zip(chunk.landmarks, chunk.eye_openness, strict=True), chunk.first):
            time = round(number / fps, 6)
            write({"frame": number, "time": time, "landmarks": _rounded(landmarks), "eye_openness": _rounded(eyes)})


def _rounded(array: np.ndarray) -> list:
    return np.round(array.astype(np.float64), 5).tolist()
