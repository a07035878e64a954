"""The capture's sound: on the picture's clock, and as long as the picture."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from audio_motion.errors import InputError
from audio_motion.files import written_whole
from audio_motion.media import AS_PLAYED, Tracks, audio_info, stream_audio

SHORT_BY = 0.5
"""Seconds by which the sound may end before the picture does."""
SILENT = 10 ** (-60 / 20)
"""Root mean square of the loudest tenth of the sound below which it counts as silence."""
LOUDNESS_RATE = 100
"""Hz of the loudness curve."""


def span_sound(
    path: Path, start: float, length: float, delay: float, tracks: Tracks = AS_PLAYED
) -> Iterator[np.ndarray]:
    """The sound of a span of a video at its own rate (`audio_info`), in constant memory.

    Args:
        start: where the span begins, seconds after the first picture.
        length: of the span's picture, seconds.
        delay: seconds by which the sound comes late; it is moved earlier by that much.
        tracks: of the video, where it has several.

    Yields:
        float32 [n] mono, never empty, round(length * rate) samples together: silence stands where there is none.

    Raises:
        InputError: no sound track; and once all is given: silence, or much shorter than the picture.
    """
    rate = audio_info(path, tracks).sample_rate
    first, wanted = round((start + delay) * rate), round(length * rate)
    loudness = RunningLoudness(rate)
    given = 0

    def counted(block: np.ndarray) -> np.ndarray:
        nonlocal given
        block = block[: wanted - given]
        loudness.add(block)
        given += len(block)
        return block

    if first < 0:
        yield counted(np.zeros(-first, np.float32))
    skip = max(0, first)
    for chunk in stream_audio(path, rate, tracks=tracks):
        part, skip = chunk[skip:], max(0, skip - len(chunk))
        if len(part) and given < wanted:
            yield counted(part)
    missing = (wanted - given) / rate
    if missing > SHORT_BY + max(delay, 0):
        ends = start + given / rate
        raise InputError(
            f"{path}: the sound ends at {ends:.2f} s but the picture at {start + length:.2f} s; "
            f"cut the video with --end {ends:.2f}, or mux its sound again"
        )
    if given < wanted:
        yield counted(np.zeros(wanted - given, np.float32))
    if loudness.loudest() < SILENT:
        raise InputError(f"{path}: its sound track is silent; give a video whose speech can be heard")


class RunningLoudness:
    """How loud a sound is that comes in pieces: a number for each 50 ms is kept."""

    def __init__(self, rate: int) -> None:
        """Args: samples a second."""
        self._window = max(1, rate // 20)
        self._rest = np.zeros(0, np.float32)
        self._power: list[np.ndarray] = []

    def add(self, block: np.ndarray) -> None:
        """The next samples, float [n]."""
        samples = np.concatenate([self._rest, block])
        whole = len(samples) // self._window * self._window
        self._power.append((samples[:whole].reshape(-1, self._window) ** 2).mean(axis=1))
        self._rest = samples[whole:]

    def loudest(self) -> float:
        """Root mean square of the loudest tenth so far."""
        power = np.sort(np.concatenate(self._power)) if self._power else np.zeros(0)
        return float(np.sqrt(power[-max(1, len(power) // 10) :].mean())) if len(power) else 0.0


def write_wav(path: Path, blocks: Iterable[np.ndarray], rate: int) -> None:
    """Write blocks of float [n] in [-1, 1] as mono PCM of 16 bit."""
    with written_whole(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for block in blocks:
            file.writeframes(np.clip(np.round(block * 32767), -32768, 32767).astype("<i2").tobytes())


def loudness(path: Path) -> np.ndarray:
    """Decibels of a mono WAV of 16 bit, above a floor 40 dB below the loudest: float [seconds * LOUDNESS_RATE]."""
    powers = []
    with wave.open(str(path)) as file:
        rate, count = file.getframerate(), file.getnframes()
        edges = np.arange(int(count / rate * LOUDNESS_RATE) + 1) * rate // LOUDNESS_RATE
        for first in range(0, len(edges) - 1, 100 * LOUDNESS_RATE):
            part = edges[first : first + 100 * LOUDNESS_RATE + 1]
            samples = np.frombuffer(file.readframes(int(part[-1] - part[0])), "<i2").astype(np.float32) / 32767
            powers.append(np.add.reduceat(samples**2, part[:-1] - part[0]) / np.diff(part))
    power = gaussian_filter1d(np.concatenate(powers), 1.0) if powers else np.zeros(0)
    level = 10 * np.log10(np.maximum(power, 1e-12))
    return np.maximum(level, level.max() - 40) - (level.max() - 40) if len(level) else level
