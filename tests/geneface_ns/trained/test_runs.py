"""What a command finds by RUN."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.trained.runs import resolve
from tests.geneface_ns.fakes import make_capture


def run_of(outputs: Path, capture: Path, name: str, seconds: int, method: str = "geneface") -> Path:
    """The folder of a run whose one checkpoint says that it was trained on a capture, and was written then."""
    folder = outputs / name / method / "2026"
    checkpoint = folder / "nerfstudio_models" / "step-000000009.ckpt"
    checkpoint.parent.mkdir(parents=True)
    torch.save({method: {"fingerprint": fingerprint(load_capture(capture))}}, checkpoint)
    os.utime(checkpoint, (seconds, seconds))
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_newest_run_of_a_capture(place: Path) -> None:
    anna = make_capture(place / "data" / "anna")
    bert = make_capture(place / "data" / "bert", frames=33)
    run_of(place / "outputs", anna, "named like nobody", 100)
    run_of(place / "outputs", bert, "anna", 300)  # the newest of all, whose folder is named like the other
    assert resolve(anna).path == Path("outputs/named like nobody/geneface/2026")
    newest = run_of(place / "data" / "outputs", anna, "beside the capture", 200)
    found = resolve(anna)
    assert found.path == newest
    assert found.data == anna
    assert found.said is not None
    assert str(newest) in found.said
    damaged = place / "outputs" / "x" / "geneface" / "2026" / "nerfstudio_models" / "step-000000019.ckpt"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"nothing")
    assert resolve(anna).path == newest


def test_the_newest_run_of_a_method(place: Path) -> None:
    anna = make_capture(place / "data" / "anna")
    field = run_of(Path("outputs"), anna, "a", 100)
    with pytest.raises(InputError, match=r"no run of geneface-splat on this capture in .*`ns-train geneface-splat --d"):
        resolve(anna, wanted="geneface-splat")
    gaussians = run_of(Path("outputs"), anna, "a", 200, "geneface-splat")
    wanted = {None: gaussians, "geneface": field, "geneface-splat": gaussians}
    assert {method: resolve(anna, wanted=method).path for method in wanted} == wanted
    os.utime(next(field.glob("*/*.ckpt")), (300, 300))
    assert {method: resolve(anna, wanted=method).path for method in wanted} == wanted | {None: field}
    # What is named is taken as it is: whoever reads it says what it cannot be used for.
    assert resolve(field, wanted="geneface-splat").path == field


def test_a_run_by_itself(place: Path) -> None:
    run = run_of(place / "outputs", make_capture(place / "anna"), "a", 100)
    assert resolve(run) == (run, None, None)
    assert resolve(run, Path("there")).data == Path("there")


def test_nothing_to_find(place: Path) -> None:
    anna = make_capture(place / "anna")
    with pytest.raises(InputError, match=r"anna: no run of this capture in outputs/ and .*; train one with"):
        resolve(anna)
    run_of(place / "outputs", make_capture(place / "bert", frames=33), "anna", 100)
    with pytest.raises(InputError, match="no run of this capture"):
        resolve(anna)
    with pytest.raises(InputError, match=r"absent: no such file"):
        resolve(place / "absent")
    with pytest.raises(InputError, match="holds no checkpoint"):
        resolve(place / "outputs")
