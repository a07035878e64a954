"""Sound from a pipe, each piece as soon as it has come. FFmpeg would wait for more than has been said."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader

import numpy as np
from av.audio.frame import AudioFrame

from audio_motion.errors import InputError
from audio_motion.media.mixer import Mixer
from audio_motion.media.sound import FASTEST_RATE, SAMPLE_RATE, SLOWEST_RATE

_EXTENSIBLE = 0xFFFE
_KINDS: dict[tuple[int, int], np.dtype] = {(1, 16): np.dtype("<i2"), (3, 32): np.dtype("<f4")}
"""WAV's format and bits of a sample."""
_ENDLESS = 0x7FFF0000
"""Bytes of sound from which on a WAV says that its writer could not know how many there would be; 0 says so too."""
_LONGEST_CHUNK = 1 << 20
"""Bytes of a WAV's header."""
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class _Layout:
    """How samples lie in a pipe."""

    dtype: np.dtype
    channels: int
    rate: int
    left: float
    """Bytes of sound that are still to come."""


def stream_piped(pipe: BufferedReader, rate: int | None = None) -> Iterator[np.ndarray]:
    """The sound in a pipe, mixed down and resampled.

    Args:
        pipe: holds a WAV (16 bit or float, any rate and channels), or raw samples.
        rate: of raw samples (signed 16 bit, little-endian, one channel), Hz; None: it is a WAV.

    Yields:
        float32 [n] mono at SAMPLE_RATE in [-1, 1]. Never an empty piece.

    Raises:
        InputError: it is no such WAV, or a rate that no sound has.
    """
    layout = _read_header(pipe) if rate is None else _Layout(np.dtype("<i2"), 1, rate, np.inf)
    if not SLOWEST_RATE <= layout.rate <= FASTEST_RATE:
        raise InputError(f"standard input: {layout.rate} samples a second; give {SLOWEST_RATE} to {FASTEST_RATE}")
    mixer = Mixer(SAMPLE_RATE, "mono")
    for samples in _samples(pipe, layout):
        if layout.rate == SAMPLE_RATE:
            yield samples
            continue
        frame = AudioFrame.from_ndarray(samples[None], "flt", "mono")
        frame.sample_rate = layout.rate
        (resampled,) = mixer.mix(frame)
        if len(resampled):
            yield resampled
    (rest,) = mixer.flush()
    if len(rest):
        yield rest


def _samples(pipe: BufferedReader, layout: _Layout) -> Iterator[np.ndarray]:
    """float32 [n] at the pipe's rate, n >= 1."""
    size, left, waiting = layout.dtype.itemsize * layout.channels, layout.left, b""
    while came := pipe.read1(int(min(left, _AT_ONCE))):
        left -= len(came)
        waiting += came
        whole = len(waiting) // size * size
        samples = np.frombuffer(waiting[:whole], layout.dtype).reshape(-1, layout.channels).astype(np.float32)
        waiting = waiting[whole:]
        if layout.dtype.kind == "i":
            samples /= 2**15
        if whole:
            yield np.clip(np.nan_to_num(samples.mean(axis=1)), -1.0, 1.0)


def _read_header(pipe: BufferedReader) -> _Layout:
    """A WAV's, up to its first sample."""
    if (begin := pipe.read(12))[:4] != b"RIFF" or begin[8:] != b"WAVE":
        what = "is empty" if not begin else "is no WAV"
        raise InputError(f"standard input: {what}; give a WAV, or raw 16 bit samples of one channel and their --rate")
    layout: tuple[np.dtype, int, int] | None = None
    while len(header := pipe.read(8)) == 8:
        name, size = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"data" and layout is not None:
            return _Layout(*layout, np.inf if size == 0 or size >= _ENDLESS else size)
        if size > _LONGEST_CHUNK:
            break
        content = pipe.read(size + size % 2)
        if name == b"fmt " and len(content) >= 16:
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
            if kind == _EXTENSIBLE and len(content) >= 26:
                (kind,) = struct.unpack("<H", content[24:26])
            if (kind, bits) not in _KINDS or channels == 0:
                raise InputError(f"standard input: a WAV of {bits} bit samples, kind {kind}; give 16 bit or float ones")
            layout = (_KINDS[kind, bits], channels, rate)
    raise InputError("standard input: the WAV ends before its sound, or is damaged; give a whole one")
