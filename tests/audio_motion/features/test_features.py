import numpy as np
import pytest
import torch

from audio_motion.features import acoustic
from audio_motion.features.frames import frame_count, windows
from audio_motion.features.mel import HALF_RANGE, MEAN, log_mel
from audio_motion.features.prosody import CONTEXT, loudness, pitch_and_voicing
from tests.audio_motion.synthetic_speech import talk


def tone(frequency: float, amplitude: float = 0.5, seconds: float = 1.0) -> torch.Tensor:
    time = torch.arange(int(seconds * 16000), dtype=torch.float64) / 16000
    return (amplitude * torch.sin(2 * torch.pi * frequency * time)).float()


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (320, 1), (321, 2), (16000, 50)])
def test_frames_cover_the_sound(samples: int, frames: int) -> None:
    assert frame_count(samples) == frames
    assert acoustic.MEL.extract(np.zeros(samples, np.float32)).shape == (frames, acoustic.MEL.channels)


@pytest.mark.parametrize("size", [512, 1024])
def test_window_i_is_centred_at_half_past_i(size: int) -> None:
    cut = windows(torch.arange(3200, dtype=torch.float32), size)
    assert cut.shape == (10, size)
    assert cut[5, size // 2] == 320 * 5 + 160
    assert cut[0, : (size - 320) // 2].abs().max() == 0


def test_a_click_is_loudest_in_its_own_frame() -> None:
    sound = torch.zeros(16000)
    sound[int(0.51 * 16000)] = 1.0  # frame 25 is centred at 0.51 s
    assert int(log_mel(sound).sum(dim=1).argmax()) == 25


def test_mel_finds_a_tone_and_counts_its_power() -> None:
    quiet, loud = (log_mel(tone(1000.0, amplitude))[25] * HALF_RANGE + MEAN for amplitude in (0.05, 0.5))
    assert int(quiet.argmax()) == int(loud.argmax())
    assert (loud - quiet).max() == pytest.approx(np.log(100.0), abs=0.01)  # ten times the amplitude: 100 the power


@pytest.mark.parametrize("frequency", [80.0, 120.0, 200.0, 350.0])
def test_pitch_of_a_harmonic_tone(frequency: float) -> None:
    sound = tone(frequency, 0.2) + tone(2 * frequency, 0.15) + tone(3 * frequency, 0.1)
    octaves, voicing = pitch_and_voicing(sound)[25]
    assert voicing > 0.97
    assert float(octaves / voicing) == pytest.approx(np.log2(frequency / 160.0), abs=0.03)


def test_noise_and_silence_are_not_voiced() -> None:
    noise = torch.randn(16000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert pitch_and_voicing(noise)[:, 1].median() < 0.4
    assert pitch_and_voicing(torch.zeros(16000)).abs().max() == 0


def test_loudness_in_decibels() -> None:
    assert float(loudness(tone(1000.0, 0.5))[25]) == pytest.approx(20 * np.log10(0.5 / 2**0.5), abs=0.01)
    assert float(loudness(torch.zeros(640))[0]) == pytest.approx(-90.0)


def test_a_chunk_with_context_gives_what_the_whole_gives() -> None:
    sound, _ = talk(3.0)
    whole = acoustic.MEL.extract(sound)
    edge = CONTEXT
    chunk = acoustic.MEL.extract(sound[320 * (40 - edge) : 320 * (90 + edge)])[edge:-edge]
    assert (chunk - whole[40:90]).abs().max() < 1e-4
