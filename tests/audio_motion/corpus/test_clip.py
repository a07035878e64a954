"""The work on one clip: what comes out, and every way of being refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_motion.corpus.clip import Refused, make_clip, on_one_clock
from audio_motion.corpus.config import Gate
from audio_motion.data.shard_file import FULL_SCALE
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE, mouth_opening
from geneface_ns.synthetic import write_sound
from tests.audio_motion.corpus.conftest import FPS, Talker, noise, told, work_for, write_video


def test_a_clip_agrees_with_the_truth(talker: Talker, tmp_path: Path) -> None:
    shutil.copy(talker.path, tmp_path)
    clip = make_clip(work_for(tmp_path))
    record = clip.record
    assert (record.name, record.fps, record.frames, record.start) == ("talker.mp4", FPS, 52, 0.0)
    assert clip.valid.all()
    assert np.abs(clip.landmarks - talker.truth.landmarks).mean() < 0.03
    told_opening, true_opening = mouth_opening(clip.landmarks), mouth_opening(talker.truth.landmarks)
    assert np.corrcoef(told_opening, true_opening)[0, 1] > 0.9
    assert np.abs(clip.sound / FULL_SCALE - talker.samples[: len(clip.sound)]).max() < 1e-4
    assert len(clip.sound) == round(record.seconds * 16000)
    truth2d = talker.truth.points2d
    assert record.figures["face_width"] == pytest.approx(
        np.median(np.linalg.norm(truth2d[:, 16] - truth2d[:, 0], axis=1)), rel=0.1
    )


def test_the_sound_may_lie_beside_the_video(talker: Talker, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", talker.frames, None)
    write_sound(tmp_path / "a.wav", talker.samples)
    clip = make_clip(work_for(tmp_path))
    assert np.abs(clip.sound / FULL_SCALE - talker.samples[: len(clip.sound)]).max() < 1e-4


@pytest.mark.parametrize(("late", "believed"), [(0.2, True), (-0.23, True), (0.2, False)])
def test_a_believed_delay_is_taken_out(talker: Talker, tmp_path: Path, late: float, believed: bool) -> None:
    shutil.copy(talker.path, tmp_path)
    plain = make_clip(work_for(tmp_path))
    clip = make_clip(work_for(tmp_path, told(late, 0.9 if believed else 0.1)))
    record = clip.record
    assert record.lag == late
    assert record.shifted == (late if believed else 0.0)
    # What is heard at a frame now was heard `late` seconds after it.
    first = round(record.start * FPS)
    begin = round((record.start + record.shifted) * 16000)
    assert np.array_equal(clip.sound, plain.sound[begin : begin + len(clip.sound)])
    assert np.array_equal(clip.landmarks, plain.landmarks[first : first + record.frames])
    assert record.frames == {0.2: 48, -0.23: 47}[late] if believed else 52


def _beside(picture: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.concatenate([picture, other], axis=2)


def _jumping(frames: np.ndarray) -> np.ndarray:
    empty = np.full_like(frames, 128)
    half = len(frames) // 2
    return np.concatenate([_beside(frames, empty)[:half], _beside(empty, frames)[half:]])


def _small(frames: np.ndarray) -> np.ndarray:
    canvas = np.full_like(frames, 128)
    canvas[:, 48:144, 48:144] = frames[:, ::2, ::2]
    return canvas


def _mostly_hidden(frames: np.ndarray) -> np.ndarray:
    hidden = frames.copy()
    hidden[20:] = 128
    return hidden


SPOILT: dict[str, tuple[str, Callable[[Talker, Path], None]]] = {
    "no face": ("no face", lambda t, p: write_video(p / "a.mp4", np.full_like(t.frames, 128), t.samples)),
    "two": ("several faces", lambda t, p: write_video(p / "a.mp4", _beside(t.frames, t.frames), t.samples)),
    "cut": ("cut", lambda t, p: write_video(p / "a.mp4", _jumping(t.frames), t.samples)),
    "small": ("small face", lambda t, p: write_video(p / "a.mp4", _small(t.frames), t.samples)),
    "hidden": ("face unseen", lambda t, p: write_video(p / "a.mp4", _mostly_hidden(t.frames), t.samples)),
    "no sound": ("no sound", lambda t, p: write_video(p / "a.mp4", t.frames, None)),
    "silent": ("silent", lambda t, p: write_video(p / "a.mp4", t.frames, np.zeros_like(t.samples))),
    "noise": ("no speech", lambda t, p: write_video(p / "a.mp4", t.frames, noise())),
    "short": ("too short", lambda t, p: write_video(p / "a.mp4", t.frames[:20], t.samples[:16000])),
}


@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_clips_are_refused_with_the_reason(talker: Talker, tmp_path: Path, how: str) -> None:
    kind, spoil = SPOILT[how]
    spoil(talker, tmp_path)
    with pytest.raises(Refused) as refused:
        make_clip(work_for(tmp_path))
    assert refused.value.kind == kind
    assert "\n" not in str(refused.value)


def test_sound_of_another_length(talker: Talker, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", talker.frames, None)
    write_sound(tmp_path / "a.wav", np.tile(talker.samples, 2))
    with pytest.raises(Refused, match=r"a\.wav: 5\.2 s of sound for 2\.6 s of picture"):
        make_clip(work_for(tmp_path))


@pytest.mark.parametrize(
    ("keep", "kinds"),
    [
        (0.0, ("broken video",)),
        (0.3, ("broken video", "broken sound", "sound of another length")),
        (0.6, ("broken video", "too short")),  # less than a second is missing: what is there counts
    ],
)
def test_corrupt_files(talker: Talker, tmp_path: Path, keep: float, kinds: tuple[str, ...]) -> None:
    whole = talker.path.read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: int(keep * len(whole))] or b"not a video at all")
    with pytest.raises(Refused) as refused:
        make_clip(work_for(tmp_path))
    assert refused.value.kind in kinds


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"max_seconds": 1.0}, "too long"),
        ({"min_fps": 24.0}, "few frames"),
        ({"min_speech": 0.99}, "mostly silent"),
        ({"max_yaw": 0.5}, "turned away"),
        ({"max_misfit": 1e-5}, "bad fit"),
    ],
)
def test_each_threshold_refuses(talker: Talker, tmp_path: Path, change: dict[str, float], kind: str) -> None:
    shutil.copy(talker.path, tmp_path)
    with pytest.raises(Refused) as refused:
        make_clip(work_for(tmp_path, gate=replace(Gate(), **change)))
    assert refused.value.kind == kind


@given(
    frames=st.integers(1, 80),
    fps=st.sampled_from([15.0, 23.976, 25.0, 29.97, 50.0]),
    sound=st.floats(0.01, 4.0),
    late=st.floats(-0.5, 0.5),
)
def test_one_clock(frames: int, fps: float, sound: float, late: float) -> None:
    """Frame i and sample s keep the distance they had, less the delay; both cover the same span."""
    landmarks = np.tile(TEMPLATE, (frames, 1, 1)) + np.arange(frames, dtype=np.float32)[:, None, None]
    sequence = LandmarkSequence(
        landmarks, fps, np.zeros((frames, 2), np.float32), np.ones(frames, bool), "a", Producer("avatar", "test")
    )
    samples = np.arange(round(sound * 16000), dtype=np.float32)
    try:
        cut, heard, start = on_one_clock(sequence, samples, late)
    except Refused:
        assert min(frames / fps, sound - late) - max(0, -late) < 2.01 / fps
        return
    first = round(cut.landmarks[0, 0, 0] - TEMPLATE[0, 0])
    assert start == first / fps
    assert len(heard) == round(len(cut) / fps * 16000)
    assert abs(heard[0] / 16000 - (start + late)) < 1.01 / 16000
    assert np.all(np.diff(heard) == 1)
    # Nothing that both have is left out but parts of a frame.
    assert len(cut) / fps > min(frames / fps, sound - late) - max(0, -late) - 2.01 / fps
