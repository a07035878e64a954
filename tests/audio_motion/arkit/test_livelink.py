"""The CSV files of Live Link Face: what is written is read, and what is damaged is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_motion.arkit.livelink import RATES, read_livelink, write_livelink
from audio_motion.arkit.shapes import ROTATIONS, SHAPES
from audio_motion.errors import InputError

HEADER = ",".join(["Timecode", "BlendShapeCount", *SHAPES, *ROTATIONS])
RECORDED = (
    *("EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft"),
    *("EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight"),
    *("EyeSquintRight", "EyeWideRight", "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel"),
    *("MouthPucker", "MouthRight", "MouthLeft", "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft"),
    *("MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight"),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight"),
    *("MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft"),
    *("BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft"),
    *("CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll"),
    *("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll"),
)
"""Columns of the app's own files, after time code and count."""


def random_shapes(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (frames, 52)).astype(np.float32)


def test_columns_are_those_of_the_app() -> None:
    assert (*SHAPES, *ROTATIONS) == RECORDED


@pytest.mark.parametrize("fps", RATES)
def test_what_is_written_is_read(tmp_path: Path, fps: float) -> None:
    shapes = random_shapes(int(2.5 * fps))
    write_livelink(tmp_path / "a.csv", shapes, fps)
    read = read_livelink(tmp_path / "a.csv")
    assert read.fps == fps
    np.testing.assert_allclose(read.shapes, shapes, atol=1e-6)


def test_other_rates_are_written_at_the_apps_own(tmp_path: Path) -> None:
    moments = np.arange(72) / (24000 / 1001)
    shapes = np.zeros((72, 52), np.float32)
    shapes[:, 17] = moments / 4
    write_livelink(tmp_path / "a.csv", shapes, 24000 / 1001)
    read = read_livelink(tmp_path / "a.csv")
    assert read.fps == 60
    np.testing.assert_allclose(read.shapes[:-1, 17], np.arange(len(read.shapes) - 1) / 60 / 4, atol=2e-5)
    assert len(read.shapes) / 60 == pytest.approx(3.0, abs=0.06)


def test_a_recording_as_others_write_it(tmp_path: Path) -> None:
    """Of the middle of a day, with lost frames, columns in another order, small letters and a mark at the beginning."""
    rows = ["mouthPucker,timecode,jawOpen,mood"]
    for frame in range(0, 150):
        if frame % 7 != 3:
            seconds = 52 + (28 + frame) // 60
            rows.append(f"0.25,14:03:{seconds:02d}:{(28 + frame) % 60:02d}.207,{frame / 150},0.9")
    (tmp_path / "a.csv").write_text("\ufeff" + "\r\n".join(rows) + "\r\n\r\n", encoding="utf-8")
    read = read_livelink(tmp_path / "a.csv")
    assert (len(read.shapes), read.fps) == (150, 60)
    np.testing.assert_allclose(read.shapes[:, SHAPES.index("JawOpen")], np.arange(150) / 150, atol=1e-5)
    np.testing.assert_allclose(read.shapes[:, SHAPES.index("MouthPucker")], 0.25, atol=1e-6)
    assert not read.shapes[:, SHAPES.index("TongueOut")].any()


def row(timecode: str, value: str = "0.1") -> str:
    return ",".join([timecode, "61", *[value] * 61])


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        ("", "names no Timecode"),
        ("a,b\n1,2\n", "names no Timecode"),
        (HEADER, "no frames"),
        (f"{HEADER}\n{row('00:00:00:00.000')}\n{row('00:00:00:30.000')}", "within one second"),
        (f"{HEADER}\n{row('nonsense')}", "line 2 has the time code 'nonsense'"),
        (f"{HEADER}\n{row('00:00:00:00.000')}\n{row('00:00:01:00.000', 'nan')}", "line 3 holds what is no number"),
        (f"{HEADER}\n{row('00:00:00:00.000', 'wide')}", "line 2 is damaged"),
        (f"{HEADER}\n00:00:00:00.000,61,0.1", "line 2 is damaged"),
        (f"{HEADER}\n{row('00:00:05:00.000')}\n{row('00:00:04:00.000')}", "goes back at line 3"),
        (f"{HEADER}\n{row('00:00:00:00.000')}\n{row('99:00:00:00.000')}", "more than an hour"),
        (f"{HEADER}\n{row('00:00:00:00.000')}\n{row('00:00:01:999.000')}", "999 frames in a second"),
        ("\0" * 100, "names no Timecode"),
        (f"{HEADER}\n" + '"' + "x" * 200_000, "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path: Path, contents: str, problem: str) -> None:
    (tmp_path / "a.csv").write_text(contents)
    with pytest.raises(InputError, match=problem) as told:
        read_livelink(tmp_path / "a.csv")
    assert "a.csv" in str(told.value)
    assert "\n" not in str(told.value)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(InputError, match="expected blendshapes"):
            read_livelink(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 16000), damage=st.binary(min_size=1, max_size=30))
def test_a_damaged_file_is_read_or_told(tmp_path: Path, place: int, damage: bytes) -> None:
    path = tmp_path / "a.csv"
    write_livelink(path, random_shapes(30), 25.0)
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + damage + whole[place + len(damage) :])
    try:
        read = read_livelink(path)
    except InputError as error:
        told = str(error)
    else:
        told = ""
        assert np.isfinite(read.shapes).all()
        assert read.shapes.min() >= 0
        assert read.shapes.max() <= 1
    assert "\n" not in told
