"""Sound as people have it: other rates, many channels, none at all."""

import wave
from pathlib import Path

import numpy as np
import pytest

from audio_motion.cli import main
from audio_motion.sequence import LandmarkSequence
from audio_motion.topology import mouth_opening
from tests.audio_motion.synthetic_speech import talk

SECONDS = 6.0


def speech_at(rate: int) -> np.ndarray:
    sound, _ = talk(SECONDS, seed=3)
    return np.interp(np.arange(int(SECONDS * rate)) / rate, np.arange(len(sound)) / 16_000, sound)


def predicted(folder: Path, checkpoint: Path, sound: np.ndarray, rate: int) -> np.ndarray:
    with wave.open(str(folder / "speech.wav"), "wb") as file:
        file.setparams((1 if sound.ndim == 1 else sound.shape[1], 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes())
    main(["predict", str(folder / "speech.wav"), str(folder / "out.npz"), "--generator", str(checkpoint)])
    return mouth_opening(LandmarkSequence.load(folder / "out.npz").landmarks)


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000])
def test_any_rate_moves_the_mouth_alike(tmp_path: Path, checkpoint: Path, rate: int) -> None:
    usual = predicted(tmp_path, checkpoint, speech_at(16_000), 16_000)
    other = predicted(tmp_path, checkpoint, speech_at(rate), rate)
    assert len(other) == 25 * SECONDS
    assert np.corrcoef(usual, other)[0, 1] > 0.9


def test_speech_recorded_30_db_too_quietly_moves_the_mouth_alike(tmp_path: Path, checkpoint: Path) -> None:
    usual = predicted(tmp_path, checkpoint, speech_at(16_000), 16_000)
    quiet = predicted(tmp_path, checkpoint, 10 ** (-30 / 20) * speech_at(16_000), 16_000)
    assert np.corrcoef(usual, quiet)[0, 1] > 0.95
    assert 0.85 < quiet.std() / usual.std() < 1.15


def test_seven_point_one_is_mixed_down(tmp_path: Path, checkpoint: Path) -> None:
    """Films carry speech in the centre channel, the third of eight."""
    channels = np.zeros((int(SECONDS * 48_000), 8))
    channels[:, 2] = speech_at(48_000)
    made = predicted(tmp_path, checkpoint, channels, 48_000)
    usual = predicted(tmp_path, checkpoint, speech_at(16_000), 16_000)
    assert len(made) == 25 * SECONDS
    assert np.corrcoef(usual, made)[0, 1] > 0.8


@pytest.mark.parametrize("channels", [1, 8])
def test_a_file_of_no_sound_is_refused(
    tmp_path: Path, checkpoint: Path, channels: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        predicted(tmp_path, checkpoint, np.zeros((0, channels)), 16_000)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()
