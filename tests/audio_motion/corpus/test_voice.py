"""Speech, silence and noise are told apart by their figures."""

from __future__ import annotations

import numpy as np

from audio_motion.corpus.config import Gate
from audio_motion.corpus.voice import measure_voice
from tests.audio_motion.corpus.conftest import Talker, noise

GATE = Gate()


def test_speech_passes(talker: Talker) -> None:
    voice = measure_voice(talker.samples)
    assert voice.level > GATE.min_level + 20
    assert voice.speech > GATE.min_speech
    assert voice.rhythm > 2 * GATE.min_rhythm


def test_speech_over_noise_passes(talker: Talker) -> None:
    loud = float(np.sqrt((talker.samples**2).mean()))
    voice = measure_voice(talker.samples + noise(len(talker.samples) / 16000, 0.3 * loud))
    assert voice.rhythm > GATE.min_rhythm


def test_steady_sounds_have_no_rhythm() -> None:
    times = np.arange(5 * 16000) / 16000
    for sound in (noise(5.0), 0.1 * np.sin(2 * np.pi * 100 * times).astype(np.float32)):
        assert measure_voice(sound).rhythm < 0.5 * GATE.min_rhythm


def test_silence_has_no_level_and_a_word_in_a_long_pause_little_speech(talker: Talker) -> None:
    assert measure_voice(np.zeros(16000, np.float32)).level < GATE.min_level
    padded = np.concatenate([talker.samples, np.zeros(8 * 16000, np.float32)])
    assert measure_voice(padded).speech < GATE.min_speech


def test_an_amplitude_swinging_by_a_known_measure_has_that_rhythm() -> None:
    times = np.arange(10 * 16000) / 16000
    swing = 6.0 * np.sin(2 * np.pi * 4 * times)  # dB, four times a second
    sound = 0.05 * 10 ** (swing / 20) * np.sign(np.sin(2 * np.pi * 200 * times))
    assert abs(measure_voice(sound.astype(np.float32)).rhythm - 6 / np.sqrt(2)) < 0.3
