"""The sound's delay by the sync expert: on known delays, over pieces, and on real recordings whose delay is known."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.lag import Lag
from audio_motion.media import probe, read_frames
from audio_motion.sequence import LandmarkSequence
from audio_motion.sync import estimate_lag
from audio_motion.tracking import collect_meshes, fit_track, make_detector
from geneface_ns.capture import sync
from geneface_ns.capture.report import OFF
from geneface_ns.capture.sound import LOUDNESS_RATE, loudness, write_wav
from geneface_ns.capture.sync import CONFIDENT, sound_lag
from tests.audio_motion.synthetic_speech import talk


@pytest.mark.parametrize("late", [-0.12, 0.0, 0.2])
def test_the_delay_is_found_piece_by_piece(late: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package's expert was not made for drawn faces: what it hears is replaced, how pieces are cut is not.
    sound, motion = talk(23.0, seed=3)
    seen: list[tuple[float, int]] = []

    def estimate(samples: np.ndarray, part: LandmarkSequence) -> Lag:
        start = int(np.abs(motion.landmarks - part.landmarks[0]).sum(axis=(1, 2)).argmin())
        piece = samples[4000:20000]
        energy = np.convolve(sound**2, np.ones(len(piece)), "valid")
        where = (energy - 2 * np.correlate(sound, piece, "valid")).argmin() - 4000  # the least squared distance
        seen.append((where / 16000 - start / motion.fps, len(part)))
        return Lag(late + (0.0 if len(seen) < 3 else 0.3), 0.5 if len(seen) < 3 else 0.1)

    monkeypatch.setattr(sync, "PIECE", 8.0)
    monkeypatch.setattr(sync, "expert", lambda: nullcontext(estimate))
    path = tmp_path / "audio.wav"
    write_wav(path, [sound], 16000)
    found = sound_lag(path, motion)
    assert sum(frames for _, frames in seen) == len(motion)
    assert len(seen) == 3
    assert np.abs([away for away, _ in seen]).max() < 0.001  # every piece of sound lies beside its motion
    assert found.seconds == pytest.approx(late)  # the piece that is not sure does not count
    assert found.confidence == pytest.approx(1.1 / 3, abs=0.01)


def test_the_expert_apart_says_what_it_says_here() -> None:
    sound, motion = talk(4.0, seed=3)
    with sync.expert() as estimate:
        apart = [estimate(sound, motion), estimate(sound[1600:], motion)]
    assert apart == [estimate_lag(sound, motion), estimate_lag(sound[1600:], motion)]
    assert apart[0].confidence != 0


def test_an_expert_that_dies_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "_serve", os.abort)  # takes no pipe: the process ends at once
    with sync.expert() as estimate, pytest.raises(InputError, match="the delay of the sound ended with") as error:
        estimate(*talk(3.0, seed=3))
    assert "\n" not in str(error.value)


def test_processing_needs_no_torch_in_its_own_memory() -> None:
    code = "import sys, geneface_ns.capture.process; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_loudness_of_a_long_sound_is_read_in_parts(tmp_path: Path) -> None:
    rate, seconds = 8000, 130
    level = np.where(np.arange(seconds * rate) // rate % 2, 0.5, 0.005)
    write_wav(tmp_path / "a.wav", [level * np.sin(np.arange(len(level)) * 0.7)], rate)
    curve = loudness(tmp_path / "a.wav")
    assert len(curve) == seconds * LOUDNESS_RATE
    middles = curve[LOUDNESS_RATE // 2 :: LOUDNESS_RATE]
    assert middles[1::2] == pytest.approx(40, abs=0.5)
    assert middles[0::2] == pytest.approx(0, abs=0.5)


@pytest.mark.data
@pytest.mark.parametrize(
    ("clip", "known"),
    [
        ("corpus/emotionmorphin_obama.mp4", 0.17),
        ("corpus/styletalk_Obama_clip1.mp4", 0.13),
        ("corpus/styletalk_Obama_clip3.mp4", 0.13),
        ("targets/anchor_512.mp4", None),
        ("targets/address_512.mp4", None),
        ("targets/vlog_720p.mp4", None),
    ],
)
def test_real_recordings(clip: str, known: float | None) -> None:
    if not os.environ.get("GENEFACE_DATA"):
        pytest.skip("GENEFACE_DATA does not name a folder of real clips")
    path = Path(os.environ["GENEFACE_DATA"]) / clip
    info = probe(path)
    meshes, valid = collect_meshes(read_frames(path, fps=info.fps), make_detector("mediapipe"), clip)
    sequence = fit_track(meshes, valid, (info.width, info.height), info.fps).sequence("x", "mediapipe")
    beside = path.with_suffix(".wav")  # the corpus keeps the sound of some clips apart
    lag = sound_lag(beside if beside.exists() else path, sequence)
    assert lag.confidence > CONFIDENT
    if known is None:
        assert abs(lag.seconds) < OFF
    else:
        assert lag.seconds == pytest.approx(known, abs=0.04)
