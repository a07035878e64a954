"""Speech of any loudness is brought to the usual one; what is usual, or is no speech, is not made louder."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_motion.data.recording import align
from audio_motion.features.acoustic import MEL
from audio_motion.features.level import MOST, ORDINARY, USUAL, SpeechLevel, levelled, stream_levelled
from audio_motion.media import load_audio
from tests.audio_motion.synthetic_speech import talk, write_wav

RATE = 16_000


def level_of(*pieces: np.ndarray) -> float | None:
    level = SpeechLevel()
    for piece in pieces:
        level.add(piece)
    return level.decibels()


def at(samples: np.ndarray, decibels: float) -> np.ndarray:
    return (samples * 10.0 ** (decibels / 20.0)).astype(np.float32)


def noise(seconds: float, decibels: float, seed: int = 0) -> np.ndarray:
    """White."""
    return at(np.random.default_rng(seed).standard_normal(int(seconds * RATE)), decibels)


def usual_speech() -> np.ndarray:
    """12 s of the synthetic talker, at the usual level."""
    sound, _ = talk(12.0, seed=4)
    found = level_of(sound)
    assert found is not None
    return at(sound, USUAL - found)


SPEECH = usual_speech()


@pytest.mark.parametrize("decibels", [-9.0, 0.0, 9.0])
def test_ordinary_speech_stays_the_very_same_array(decibels: float) -> None:
    sound = at(SPEECH, decibels)
    assert levelled(sound) is sound


@given(decibels=st.floats(-45.0, 30.0))
@settings(max_examples=25)
def test_the_level_becomes_ordinary_and_the_gain_is_bounded(decibels: float) -> None:
    sound = at(SPEECH, decibels)
    level = SpeechLevel()
    level.add(sound)
    gain = 20.0 * np.log10(level.gain())
    assert gain <= MOST + 1e-6
    assert abs(decibels + gain) <= max(ORDINARY, -decibels - MOST) + 0.5
    if -MOST < decibels < -16.0:  # far from ordinary: brought to the middle, not to the edge
        assert abs(decibels + gain) <= 0.5


def test_the_gain_has_no_steps() -> None:
    """Half a decibel in the recording, the histogram's step, is never more than two in what is heard."""
    gains = []
    for decibels in np.arange(-36.0, 24.0, 0.5):
        level = SpeechLevel()
        level.add(at(SPEECH[: 3 * RATE], decibels))
        gains.append(20.0 * np.log10(level.gain()))
    assert np.abs(np.diff(gains)).max() < 2.0


@pytest.mark.parametrize("far", [0.0, -30.0])
def test_silence_pauses_claps_and_rumble_hardly_change_the_level(far: float) -> None:
    usual = level_of(at(SPEECH, far))
    assert usual is not None
    fading = np.exp(-np.arange(RATE // 4) / 600)
    clap = (np.random.default_rng(1).uniform(-1.0, 1.0, len(fading)) * fading).astype(np.float32)
    clapped = at(SPEECH, far)
    clapped[3 * RATE : 3 * RATE + len(clap)] += clap
    rumble = 0.3 * np.sin(2 * np.pi * 20.0 * np.arange(len(SPEECH)) / RATE) + 0.1
    others = {
        "silent minute": (at(SPEECH, far), np.zeros(60 * RATE, np.float32)),
        "minute of a room": (noise(60.0, USUAL + far - 40.0), at(SPEECH, far)),
        "clap": (clapped,),
        "rumble": ((at(SPEECH, far) + rumble).astype(np.float32),),
    }
    for what, pieces in others.items():
        found = level_of(*pieces)
        assert found == pytest.approx(usual, abs=3.0), what


@pytest.mark.parametrize("piece", [777, 640, 33_333])
def test_it_does_not_matter_how_sound_is_cut(piece: int) -> None:
    pieces = (SPEECH[first : first + piece] for first in range(0, len(SPEECH), piece))
    assert level_of(*pieces) == level_of(SPEECH)


@pytest.mark.parametrize("decibels", [-80.0, -50.0])
def test_a_room_is_silence_and_loud_noise_stays_as_it_is(decibels: float) -> None:
    room = noise(10.0, decibels)
    hum = (room + 10.0 ** (decibels / 20) * np.sin(2 * np.pi * 150.0 * np.arange(len(room)) / RATE)).astype(np.float32)
    for sound in (room, hum):
        assert not levelled(sound).any()
    loud = noise(10.0, -20.0)
    assert levelled(loud) is loud
    nothing = np.zeros(RATE, np.float32)
    assert levelled(nothing) is nothing
    blip = np.full(100, 0.01, np.float32)  # too short to say anything of
    assert levelled(blip) is blip


def test_claps_amid_quiet_speech_stay_within_full_scale() -> None:
    sound = at(SPEECH, -25.0)
    sound[50_000] = 0.9
    assert np.abs(levelled(sound)).max() == 1.0


def test_a_file_is_heard_as_its_samples_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, decibels, said in (("usual", 0.0, []), ("quiet", -30.0, ["quiet.wav", "-48 dB", "+30 dB"])):
        path = tmp_path / f"{name}.wav"
        write_wav(path, at(SPEECH, decibels))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            heard = np.concatenate(list(stream_levelled(path)))
        np.testing.assert_array_equal(heard, levelled(load_audio(path)))
        assert len(caplog.messages) == bool(said)
        assert all(word in caplog.text for word in said)


def test_recordings_are_levelled_and_know_it() -> None:
    """Training hears what prediction hears, and what it keeps notices another gain."""
    sound, motion = talk(12.0, seed=4)
    usual, quiet = (align(motion, at(SPEECH, decibels), MEL) for decibels in (0.0, -30.0))
    assert (usual.features - quiet.features).abs().max() < 0.02  # a gain of 29.5 or 30 dB
    assert usual.identity != quiet.identity
    assert align(motion, sound, MEL).features.equal(MEL.extract(sound)[: len(usual.features)])
