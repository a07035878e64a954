"""Sound through a pipe."""

import io
import struct

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.media import stream_piped

TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)


class Slow(io.BufferedReader):
    """Gives a few bytes at a time, as pipes do."""

    def read1(self, size: int = -1) -> bytes:
        return super().read1(min(size, 777))


def pipe(content: bytes) -> Slow:
    return Slow(io.BytesIO(content))  # type: ignore[arg-type]


def wav(samples: np.ndarray, rate: int, size: int | None = None, kind: int | None = None) -> bytes:
    """Samples [n, channels], int16 or float32."""
    content, bits = samples.tobytes(), 8 * samples.itemsize
    channels = samples.shape[1]
    kind = kind or (3 if samples.dtype == np.float32 else 1)
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    if kind == 0xFFFE:
        form += struct.pack("<HHIH", 22, bits, 0, 1) + bytes(14)
    header = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    return b"RIFF" + bytes(4) + header + b"data" + struct.pack("<I", len(content) if size is None else size) + content


def heard(content: bytes, rate: int | None = None) -> np.ndarray:
    pieces = list(stream_piped(pipe(content), rate))
    assert all(len(piece) and piece.dtype == np.float32 for piece in pieces)
    return np.concatenate(pieces)


def whole(sound: np.ndarray) -> np.ndarray:
    return np.round(sound * 2**15).astype("<i2")


def test_raw_sound_and_wav_of_the_same_samples() -> None:
    samples = whole(TONE)
    np.testing.assert_array_equal(heard(samples.tobytes(), 16_000), samples.astype(np.float32) / 2**15)
    for content in (
        wav(samples[:, None], 16_000),
        wav(samples[:, None], 16_000, size=0),  # writers that cannot go back
        wav(samples[:, None], 16_000, size=0xFFFFFFFF),
        wav(samples[:, None], 16_000, kind=0xFFFE),
        wav(samples[:, None], 16_000) + b"LIST" + bytes(40),  # after the sound
    ):
        np.testing.assert_array_equal(heard(content), samples.astype(np.float32) / 2**15)
    assert len(heard(wav(samples[:, None], 16_000)[:-1])) == len(samples) - 1  # half a sample is none


def test_other_rates_and_channels_are_mixed_down_and_resampled() -> None:
    times = np.arange(96_000) / 48_000
    left = 0.8 * np.sin(2 * np.pi * 440 * times)
    stereo = np.stack([left, 0.2 / 0.8 * left], axis=1).astype("<f4")
    for content, rate in ((wav(stereo, 48_000), None), (whole(stereo.mean(axis=1)).tobytes(), 48_000)):
        found = heard(content, rate)
        assert abs(len(found) - len(TONE)) <= 1
        assert np.abs(found[200:31_000] - TONE[200:31_000]).max() < 0.01


@pytest.mark.parametrize(
    ("content", "rate", "problem"),
    [
        (b"", None, "is empty"),
        (b"\x01\x02" * 50, None, "is no WAV"),
        (wav(whole(TONE)[:, None], 16_000)[:30], None, "ends before its sound"),
        (wav(np.zeros((4, 1), np.int32), 16_000), None, "32 bit samples"),
        (wav(whole(TONE)[:, None], 0), None, "0 samples a second"),
        (b"", 5, "5 samples a second"),
    ],
)
def test_what_is_no_sound_is_refused(content: bytes, rate: int | None, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        list(stream_piped(pipe(content), rate))
