"""LandmarkSequence on disk: what is damaged or none is told in one line."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence, Producer, Sound, identity_of
from audio_motion.topology import TEMPLATE


def sequence(frames: int = 30, **changes: object) -> LandmarkSequence:
    wobble = np.random.default_rng(0).normal(0, 0.01, (frames, 68, 3))
    values: dict = {
        "landmarks": (TEMPLATE + wobble).astype(np.float32),
        "fps": 25.0,
        "eye_openness": np.full((frames, 2), 0.3, np.float32),
        "valid": np.ones(frames, bool),
        "person": "anna",
        "producer": Producer("tracker", "made up"),
    }
    return LandmarkSequence(**values | changes)


def test_damaged_files_are_told_in_one_line(tmp_path: Path) -> None:
    sequence().save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    headers = [i for i in range(len(whole)) if whole[i : i + 2] == b"PK"]
    rng = np.random.default_rng(1)
    path, told = tmp_path / "damaged.npz", []
    for attempt in range(600):
        damaged = bytearray(whole)
        # In turn anywhere, and where zip files say how what follows is packed.
        place = rng.integers(len(damaged)) if attempt % 2 else rng.choice(headers) + rng.integers(60)
        damaged[min(int(place), len(damaged) - 1)] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            LandmarkSequence.load(path)  # a flip may hit what does not matter, such as a date
        except InputError as error:
            told.append(str(error))
    assert len(told) > 300
    assert all("damaged.npz" in line and "\n" not in line for line in told)
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged, or not a landmark sequence"):
            LandmarkSequence.load(path)


def test_identity_and_mean_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    plain = sequence()
    plain.save(path)
    assert (LandmarkSequence.load(path).identity, LandmarkSequence.load(path).mean) == (None, None)
    known = replace(plain, identity=identity_of(plain.landmarks, plain.eye_openness), mean=TEMPLATE)
    known.save(path)
    loaded = LandmarkSequence.load(path).slice(0.2, 0.8).resample(30.0)
    assert loaded.identity == known.identity
    assert loaded.mean is not None
    np.testing.assert_array_equal(loaded.mean, TEMPLATE)
    assert known.identity != identity_of(plain.landmarks + 1e-6, plain.eye_openness)


def test_files_of_before_identities_load(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    sequence().save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    info = json.loads(str(arrays["info"]))
    del info["identity"]
    np.savez(path, **arrays | {"info": np.array(json.dumps(info))})
    assert LandmarkSequence.load(path).identity is None


@pytest.mark.parametrize(
    "change",
    [
        lambda info: [],
        lambda info: None,
        lambda info: info | {"person": 3},
        lambda info: info | {"space": None},
        lambda info: info | {"identity": 7},
        lambda info: info | {"producer": []},
        lambda info: info | {"producer": {"kind": "tracker", "name": "x", "more": 1}},
        lambda info: info | {"sound": "speech.wav"},
        lambda info: info | {"sound": {"file": None, "sample_rate": 16000, "sha256": "0"}},
        lambda info: info | {"sound": {"file": "../secret.wav", "sample_rate": 16000, "sha256": "0"}},
        lambda info: info | {"sound": {"file": "/etc/passwd", "sample_rate": 16000, "sha256": "0"}},
        lambda info: info | {"sound": {"file": "..", "sample_rate": 16000, "sha256": "0"}},
    ],
)
def test_senseless_descriptions_are_told_in_one_line(tmp_path: Path, change: Callable[[dict], object]) -> None:
    path = tmp_path / "a.npz"
    sequence(sound=Sound("speech.wav", 16000, "0")).save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["info"] = np.array(json.dumps(change(json.loads(str(arrays["info"])))))
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"a\.npz: ") as error:
        LandmarkSequence.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["landmarks", "eye_openness", "valid", "fps"])
@pytest.mark.parametrize(
    "value", [np.float32(1), np.zeros((0,)), np.array("x"), np.full((30, 2), np.nan), np.array(1e30)]
)
def test_senseless_arrays_are_told_in_one_line(tmp_path: Path, name: str, value: np.ndarray) -> None:
    path = tmp_path / "a.npz"
    sequence().save(path)
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    if name == "fps" and value.shape == ():
        value = -value if value.dtype.kind == "f" else value
    np.savez(path, **arrays | {name: value})
    with pytest.raises(InputError, match=r"a\.npz: ") as error:
        LandmarkSequence.load(path)
    assert "\n" not in str(error.value)


def test_an_arrays_header_that_is_no_python_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    sequence().save(path)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["fps.npy"] = members["fps.npy"].replace(b"}", b"(")
    with zipfile.ZipFile(path, "w") as file:
        for name, contents in members.items():
            file.writestr(name, contents)
    with pytest.raises(InputError, match=r"a\.npz: damaged"):
        LandmarkSequence.load(path)


@pytest.mark.parametrize("name", ["landmarks", "eye_openness", "mean"])
def test_finite_numbers_that_no_face_has_are_told(name: str) -> None:
    whole = sequence(mean=TEMPLATE.astype(np.float32))
    far = getattr(whole, name).copy()
    far.reshape(-1)[-1] = 1e30  # its square is none
    with pytest.raises(InputError, match="make the landmark sequence again"):
        replace(whole, **{name: far})
