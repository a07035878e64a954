"""What uploads are read with: a process of its own, whatever the file is."""

from __future__ import annotations

import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence
from geneface_ns.output.backgrounds import backgrounds
from geneface_ns.viewer import decode
from geneface_ns.viewer.decode import decode_apart
from geneface_ns.viewer.picture import backdrop_of
from geneface_ns.viewer.sound import RATE, load_played, silence
from tests.geneface_ns.fakes import make_capture
from tests.geneface_ns.output.test_video import write_wav
from tests.geneface_ns.viewer.bad import bad_files, bad_pictures


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


def test_a_picture_is_what_stands_behind_a_rendered_video(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "wide.png"), picture)
    decode_apart("picture", tmp_path / "wide.png", tmp_path / "out.png", 64, 48)
    rendered = next(backgrounds(str(tmp_path / "wide.png"), (64, 48), 25.0))
    np.testing.assert_array_equal(backdrop_of(str(tmp_path / "out.png"), (64, 48)).pixels, rendered)


def test_what_is_no_picture_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    for path in bad_pictures(tmp_path / "bad"):
        with pytest.raises(InputError) as caught:
            decode_apart("picture", path, tmp_path / "out.png", 64, 64)
        said = str(caught.value)
        assert "\n" not in said
        assert str(tmp_path) not in said
        assert "picture" in said or "cannot be decoded" in said, path
        assert not (tmp_path / "out.png").exists()


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
