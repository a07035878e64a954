"""What uploads are read with: a process of its own, whatever the file is."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence
from geneface_ns.viewer import decode
from geneface_ns.viewer.decode import decode_apart
from geneface_ns.viewer.sound import RATE, load_played, silence
from tests.geneface_ns.fakes import make_capture
from tests.geneface_ns.output.test_video import write_wav
from tests.geneface_ns.viewer.bad import bad_files


def test_a_sound_keeps_its_time(tmp_path: Path) -> None:
    for rate, channels in ((8000, 1), (44100, 2)):
        decode_apart("sound", write_wav(tmp_path / "in.wav", 1.5, rate, channels), tmp_path / "out.wav", 10)
        played = load_played(tmp_path / "out.wav")
        assert played.seconds == pytest.approx(1.5, abs=2 / rate)
        with wave.open(str(tmp_path / "out.wav")) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
            samples = np.frombuffer(file.readframes(RATE), "<i2")
        crossings = np.count_nonzero(np.diff(np.signbit(samples)))
        assert crossings == pytest.approx(880, abs=10), "it is not the tone of 440 Hz any more"
        assert set(played.peaks[5:-5]) <= set(range(30, 42))  # 12000 of 32768


def test_motion_is_read_and_written_anew(tmp_path: Path) -> None:
    path = make_capture(tmp_path / "anna") / "landmarks.npz"
    decode_apart("motion", path, tmp_path / "out.npz", 10)
    np.testing.assert_array_equal(
        LandmarkSequence.load(tmp_path / "out.npz").landmarks, LandmarkSequence.load(path).landmarks
    )
    with pytest.raises(InputError, match="lasts longer than 1 s"):
        decode_apart("motion", path, tmp_path / "longer.npz", 1)


def test_what_cannot_be_used_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    for name, (path, _) in bad_files(tmp_path / "bad", 12).items():
        kind = "motion" if name.endswith(".npz") else "sound"
        with pytest.raises(InputError) as caught:
            decode_apart(kind, path, tmp_path / "out", 12)
        said = str(caught.value)
        assert "\n" not in said
        assert str(tmp_path) not in said
        assert not (tmp_path / "out").exists()


def test_a_program_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "SECONDS", 0.05)
    with pytest.raises(InputError, match=r"longer than 0.05 s to read"):
        decode_apart("sound", write_wav(tmp_path / "in.wav", 1, 8000), tmp_path / "out.wav", 10)


def test_silence_lasts_as_long_as_it_should(tmp_path: Path) -> None:
    assert silence(tmp_path / "s.wav", 1.25).seconds == 1.25
    assert set(silence(tmp_path / "s.wav", 1.25).peaks) == {0}
