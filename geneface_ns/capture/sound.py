"""The capture's sound: on the picture's clock, as long as the picture, and how well the two agree."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from audio_motion.audio import audio_info, load_audio
from audio_motion.errors import InputError
from audio_motion.files import written_whole

SHORT_BY = 0.5
"""Seconds by which the sound may end before the picture does."""
SILENT = 10 ** (-60 / 20)
"""Root mean square of the loudest tenth of the sound below which it counts as silence."""
LOUDNESS_RATE = 100
"""Hz of the loudness curve."""
LARGEST_OFFSET = 0.4
"""Seconds searched for the offset of sound and picture."""
SPAN = 0.3
"""Seconds: changes slower than this (sentences, not syllables) say nothing about the offset and are taken away."""
FIRST_FORMANT = (500.0, 1200.0)
"""Hz: where the voice grows when the jaw opens. On seven real clips of known delay this band alone gave every one
within 0.02 s, loudness of the whole voice missed three."""
MOUTH_LEADS = 0.045
"""Seconds by which the mouth opens before that band grows, the median over those clips."""


@dataclass(frozen=True)
class Offset:
    """How far the sound lies from the picture."""

    seconds: float
    """Positive: the sound comes late."""
    evidence: float
    """Correlation of mouth opening and voice at that offset; see `believed`."""


def load_sound(path: Path, start: float, length: float, delay: float) -> tuple[np.ndarray, int]:
    """The sound of a span of a video.

    Args:
        start: where the span begins, seconds after the first picture.
        length: of the span's picture, seconds.
        delay: seconds by which the sound comes late; it is moved earlier by that much.

    Returns:
        float32 [round(length * rate)] mono and the rate, the source's own.

    Raises:
        InputError: no sound track, silence, or much shorter than the picture.
    """
    rate = audio_info(path).sample_rate
    sound = load_audio(path, rate)
    first, wanted = round((start + delay) * rate), round(length * rate)
    sound = np.concatenate([np.zeros(max(0, -first), np.float32), sound[max(0, first) :]])
    missing = (wanted - len(sound)) / rate
    if missing > SHORT_BY + max(delay, 0):
        ends = len(sound) / rate
        raise InputError(
            f"{path}: the sound ends at {start + ends:.2f} s but the picture at {start + length:.2f} s; "
            f"cut the video with --end {start + ends:.2f}, or mux its sound again"
        )
    sound = np.pad(sound[:wanted], (0, max(0, wanted - len(sound))))
    if loudest(sound, rate) < SILENT:
        raise InputError(f"{path}: its sound track is silent; give a video whose speech can be heard")
    return sound, rate


def loudest(sound: np.ndarray, rate: int) -> float:
    """Root mean square of the loudest tenth of float [S], in windows of 50 ms."""
    window = max(1, rate // 20)
    whole = len(sound) // window * window
    if not whole:
        return 0.0
    power = np.sort((sound[:whole].reshape(-1, window) ** 2).mean(axis=1))
    return float(np.sqrt(power[-max(1, len(power) // 10) :].mean()))


def write_wav(path: Path, sound: np.ndarray, rate: int) -> None:
    """Write float [S] in [-1, 1] as mono PCM of 16 bit."""
    with written_whole(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.clip(np.round(sound * 32767), -32768, 32767).astype("<i2").tobytes())


def loudness(sound: np.ndarray, rate: int) -> np.ndarray:
    """Decibels above a floor 40 dB below the loudest: float [S] -> float [S / rate * LOUDNESS_RATE]."""
    level = 10 * np.log10(np.maximum(windowed_power(sound, rate), 1e-12))
    return np.maximum(level, level.max() - 40) - (level.max() - 40) if len(level) else level


def openness_of_voice(sound: np.ndarray, rate: int) -> np.ndarray:
    """How open the voice sounds: the root of the amplitude around the first formant, at LOUDNESS_RATE.

    float [S] -> float [about S / rate * LOUDNESS_RATE].
    """
    high = min(FIRST_FORMANT[1], 0.45 * rate)
    band = sosfiltfilt(butter(3, (FIRST_FORMANT[0], high), "bandpass", fs=rate, output="sos"), sound)
    return windowed_power(band, rate) ** 0.25


def windowed_power(sound: np.ndarray, rate: int) -> np.ndarray:
    """Mean square of float [S] around every 1 / LOUDNESS_RATE seconds."""
    count = int(len(sound) / rate * LOUDNESS_RATE)
    edges = (np.arange(count + 1) * rate / LOUDNESS_RATE).astype(int)
    total = np.concatenate([[0], np.cumsum(sound.astype(np.float64) ** 2)])
    return gaussian_filter1d(np.diff(total[edges]) / np.maximum(np.diff(edges), 1), 1.0)


def estimate_offset(opening: np.ndarray, valid: np.ndarray, fps: float, sound: np.ndarray, rate: int) -> Offset:
    """Where mouth opening and voice agree best.

    Args:
        opening: float [T] of the mouth, any unit, at `fps`.
        valid: bool [T].
        sound: float [S] at `rate`, on the picture's clock.
    """
    voice = openness_of_voice(sound, rate)
    times = (np.arange(len(voice)) + 0.5) / LOUDNESS_RATE
    mouth = np.interp(times, np.arange(len(opening)) / fps, opening)
    good = np.interp(times, np.arange(len(opening)) / fps, valid.astype(float)) > 0.99
    voice, mouth = (x - gaussian_filter1d(x, SPAN * LOUDNESS_RATE) for x in (voice, mouth))
    voice, mouth = (gaussian_filter1d(x, 0.03 * LOUDNESS_RATE) for x in (voice, mouth))
    reach = round((LARGEST_OFFSET + MOUTH_LEADS) * LOUDNESS_RATE)
    lags = np.arange(-reach, reach + 1)
    scores = np.array([_correlation(mouth, voice, good, int(lag)) for lag in lags])
    best = int(scores.argmax())
    seconds = lags[best] / LOUDNESS_RATE
    if 0 < best < len(lags) - 1:
        left, middle, right = scores[best - 1 : best + 2]
        bend = left - 2 * middle + right
        seconds += 0.5 * (left - right) / bend / LOUDNESS_RATE if bend < 0 else 0.0
    return Offset(float(seconds - MOUTH_LEADS), float(scores[best]))


def believed(evidence: float, seconds: float) -> bool:
    """Whether a correlation over so many seconds is more than chance: the shorter, the higher chance reaches."""
    return evidence > max(0.25, 1.2 / np.sqrt(seconds))


def _correlation(mouth: np.ndarray, loud: np.ndarray, good: np.ndarray, lag: int) -> float:
    """Correlation of mouth [N] at t with voice [N] at t + lag samples."""
    count = len(mouth) - abs(lag)
    if count < LOUDNESS_RATE:
        return 0.0
    a = mouth[:count] if lag >= 0 else mouth[-lag:]
    b = loud[lag:] if lag >= 0 else loud[:count]
    keep = good[:count] if lag >= 0 else good[-lag:]
    a, b = a[keep], b[keep]
    if len(a) < LOUDNESS_RATE or a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
