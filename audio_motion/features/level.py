"""Speech of any loudness, brought to the loudness that the networks have learnt from: one gain for a recording.

Log-mel, energy and the threshold of silence are absolute: heard as it is, speech recorded 30 dB too quietly hardly
moves a mouth. How loud the speech is, is measured over a whole recording in constant memory, in blocks of which gates
leave the speech (after ITU-R BS.1770-5 and EBU R 128); then all of it is multiplied by one number. Nothing pumps or
jumps, speech at an ordinary level is not touched at all, and what is softer than the rest stays so: a second speaker,
far from the microphone, moves the mouth as little as before. Live speech has no whole: whoever streams it asks
`SpeechLevel` again as it goes on, and moves slowly towards what it says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt

from audio_motion.features.frames import HOP
from audio_motion.media import AS_PLAYED, SAMPLE_RATE, Tracks, stream_audio

USUAL = -18.0
"""dB of full scale, as `SpeechLevel` counts: of 178 clips as the package's models learnt from, half are above -17, a
twentieth below -28 and a twentieth above -12. 95 % lie within `ORDINARY` of it."""
ORDINARY = 10.0
"""dB from USUAL up to which speech is left as it is."""
FULL = 16.0
"""dB from USUAL from which on it is brought there; between the two, the gain grows steadily from nothing to that."""
MOST = 30.0
"""dB by which sound is made louder at most."""
ROOM = -40.0
"""dB below which sound that nothing rises out of is a room's noise: it is heard as silence."""

_BLOCK = 2 * HOP
"""Samples. R 128 takes 400 ms; in 40 ms speech still swings much more than noise does."""
_GATE, _STEP, _BINS = -90.0, 0.5, 220
"""dB: the histogram's lowest level, its steps and their number. Softer blocks count as digital silence, as for the
features."""
_RISE = 10.0
"""dB above the softest tenth of the blocks at which speech begins. Of the clips above, one rises less; white noise
and rumble an octave wide never rise so far."""
_LEAST = 0.5
"""Seconds of speech without which its level cannot be told."""
_LOUD = 0.75
"""Quantile of the speech's blocks that is its level: claps, steps and pauses move it little."""
_LOWEST = 100.0
"""Hz below which rumble, hum and a shifted zero are not counted."""
_AT_ONCE = 10 * SAMPLE_RATE

_log = logging.getLogger(__name__)


class SpeechLevel:
    """How loud the speech is in sound that comes in pieces; a histogram is kept, and less than a block of sound."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self._rest = np.zeros(0)
        self._state = np.zeros((len(_high_pass()), 2))

    def add(self, samples: np.ndarray) -> None:
        """The next samples, float [n], mono 16 kHz; it does not matter how they are cut."""
        heard, self._state = sosfilt(_high_pass(), samples, zi=self._state)
        heard = np.concatenate([self._rest, heard])
        whole = len(heard) // _BLOCK * _BLOCK
        self._rest = heard[whole:]
        power = np.square(heard[:whole].reshape(-1, _BLOCK)).mean(axis=1)
        places = np.floor((10.0 * np.log10(power + 1e-20) - _GATE) / _STEP).astype(int)
        self._counts += np.bincount(places[places >= 0].clip(max=_BINS - 1), minlength=_BINS)

    def decibels(self) -> float | None:
        """The level of the speech so far, dB of full scale; None where nobody is heard to speak."""
        speech = self._speech()
        if speech.sum() * _BLOCK < _LEAST * SAMPLE_RATE:
            return None
        return _GATE + _STEP * (_quantile(speech, _LOUD) + 0.5)

    def gain(self) -> float:
        """The factor that brings the speech to an ordinary level: 1 where it has one or cannot be told, 0 where
        there is a room's noise only."""
        level = self.decibels()
        if level is not None:
            away = [-100.0, -FULL, -ORDINARY, ORDINARY, FULL, MOST]
            decibels = np.interp(USUAL - level, away, [-100.0, -FULL, 0.0, 0.0, FULL, MOST])
            return float(10.0 ** (decibels / 20.0))
        steady = self._counts.any() and self._speech().sum() <= 0.01 * self._counts.sum()
        soft = _GATE + _STEP * _quantile(self._counts, 0.95) < ROOM
        return 0.0 if steady and soft else 1.0

    def _speech(self) -> np.ndarray:
        """The histogram without what does not rise out of the noise."""
        floor = _quantile(self._counts, 0.1) + round(_RISE / _STEP)
        return np.where(np.arange(_BINS) > floor, self._counts, 0)


def levelled(samples: np.ndarray) -> np.ndarray:
    """A whole recording at an ordinary level: float32 [S] mono 16 kHz -> the same, in [-1, 1]; the very array where it
    has one."""
    level = SpeechLevel()
    for first in range(0, len(samples), _AT_ONCE):
        level.add(samples[first : first + _AT_ONCE])
    return louder(samples, level.gain())


def stream_levelled(path: Path, tracks: Tracks = AS_PLAYED) -> Iterator[np.ndarray]:
    """What `levelled` makes of a file's sound, in chunks as `media.stream_audio` gives them and in constant memory: the
    file is read twice. Logs a line where its level is not ordinary.

    Args:
        tracks: of the file, where it has several.

    Raises:
        InputError: as `media.stream_audio`.
    """
    level = SpeechLevel()
    for chunk in stream_audio(path, tracks=tracks):
        level.add(chunk)
    gain, found = level.gain(), level.decibels()
    if gain == 0.0:
        _log.warning("%s: nobody is heard to speak in it, it is taken for silence", path)
    elif gain != 1.0:
        _log.warning("%s: its speech is at %.0f dB, heard with a gain of %+.0f dB", path, found, 20 * np.log10(gain))
    yield from (louder(chunk, gain) for chunk in stream_audio(path, tracks=tracks))


def louder(samples: np.ndarray, gain: float) -> np.ndarray:
    """Samples [S] times a gain, in [-1, 1]; the very array at a gain of 1."""
    # A clap amid quiet speech would become louder than any sound that was learnt from.
    return samples if gain == 1.0 else np.clip(samples * np.float32(gain), -1.0, 1.0)


def _quantile(counts: np.ndarray, share: float) -> int:
    """The bin that holds it; the first where there is nothing."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum()))


@lru_cache(maxsize=1)
def _high_pass() -> np.ndarray:
    return butter(4, _LOWEST, "highpass", fs=SAMPLE_RATE, output="sos")
