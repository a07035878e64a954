"""Checkpoints: whole or not there, tied to their capture, and found wherever they have been moved."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.files import written_whole
from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.trained.checkpoint import FOLDER, PREFIX, About, checkpoints, newest, read, write
from geneface_ns.trained.load import load_trained
from geneface_ns.trained.methods import METHOD, METHODS
from tests.geneface_ns.fakes import make_capture

SMALL = PortraitConfig(sample_step=0.1, occupancy_resolution=8)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two checkpoints on `tmp_path / "anna"`."""
    capture = load_capture(make_capture(tmp_path / "anna", frames=11))
    folder = tmp_path / "outputs" / "run"
    for step in (3, 7):
        torch.manual_seed(step)
        tensors = {PREFIX + name: value for name, value in Portrait(capture, 1, SMALL).state_dict().items()}
        about = asdict(About.of(capture, 1, SMALL))
        write(folder / FOLDER / f"step-{step:09d}.ckpt", {"step": step, "pipeline": tensors, METHOD: about})
    return folder


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def test_a_kill_while_saving_leaves_the_older_ones(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def half(contents: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise Killed

    before = {path: path.read_bytes() for path in (run / FOLDER).iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *args, **kwargs: None)  # a killed process cleans nothing up
        patch.setattr(torch, "save", half)
        with pytest.raises(Killed):
            write(run / FOLDER / "step-000000009.ckpt", {})
    # nerfstudio takes every name in there for a checkpoint's.
    assert {path: path.read_bytes() for path in (run / FOLDER).iterdir()} == before
    assert any(path.is_file() for path in run.iterdir())
    write(run / FOLDER / "step-000000009.ckpt", {"step": 9})
    assert [path.name for path in run.iterdir()] == [FOLDER]


def test_a_full_disk(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(contents: object, path: Path) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match="free some space"):
        write(run / FOLDER / "step-000000009.ckpt", {})
    assert len(checkpoints(run / FOLDER)) == 2


def test_a_damaged_newest_one_is_passed_over_with_a_line(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = checkpoints(run / FOLDER)
    truncate(first)
    with caplog.at_level(logging.WARNING):
        assert load_trained(run, device="cpu").step == 3
    assert "step-000000007.ckpt: damaged checkpoint" in caplog.text
    assert "using step-000000003.ckpt" in caplog.text
    truncate(second)
    with pytest.raises(InputError, match=r"step-000000007.ckpt: damaged checkpoint \(.*remove it"):
        newest(checkpoints(run / FOLDER))


def test_steps_are_numbers(tmp_path: Path) -> None:
    # Beyond nine digits names no longer sort as their steps do.
    for step in (999999999, 1000000000):
        write(tmp_path / f"step-{step:09d}.ckpt", {"step": step})
    assert [path.stem for path in checkpoints(tmp_path)] == ["step-1000000000", "step-999999999"]


def test_run_and_capture_can_be_moved(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert load_trained(Path("elsewhere"), device="cpu").step == 7
    (tmp_path / "anna").rename(tmp_path / "moved anna")
    with pytest.raises(InputError, match="--data"):
        load_trained(Path("elsewhere"), device="cpu")
    trained = load_trained(Path("elsewhere"), Path("moved anna"), device="cpu")
    assert trained.person.folder == Path("moved anna")


def processed_again(folder: Path, change: str) -> None:
    """As with other options: the same video, the same number of frames."""
    if change == "landmarks":
        path = folder / "landmarks.npz"
        before = LandmarkSequence.load(path)
        before.landmarks[:] += 1e-3
        before.save(path)
        return
    path = folder / "transforms.json"
    contents = json.loads(path.read_text())
    if change == "poses":
        contents["frames"][5]["transform_matrix"][0][3] += 1e-3
    elif change == "size":
        contents["fl_x"] *= 1.01
    elif change == "person":
        contents["person"] = "bert"
    path.write_text(json.dumps(contents))


@pytest.mark.parametrize("change", ["landmarks", "poses", "size"])
def test_a_capture_processed_again_is_refused(run: Path, tmp_path: Path, change: str) -> None:
    processed_again(tmp_path / "anna", change)
    with pytest.raises(InputError, match="another capture than"):
        load_trained(run, device="cpu")


def test_a_copy_or_another_name_is_the_same_capture(run: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "anna", tmp_path / "copy")
    processed_again(tmp_path / "copy", "person")
    assert fingerprint(load_capture(tmp_path / "copy")) == fingerprint(load_capture(tmp_path / "anna"))
    assert load_trained(run, tmp_path / "copy", device="cpu").person.name == "bert"


def test_of_another_release_or_method(tmp_path: Path) -> None:
    path = tmp_path / "step-000000001.ckpt"
    write(path, {"step": 1, "pipeline": {}})
    with pytest.raises(InputError, match="of another method"):
        read(path)
    write(path, {"step": 1, "pipeline": {}, METHOD: {"format": METHODS[METHOD].format - 1}})
    with pytest.raises(InputError, match="checkpoint format"):
        read(path)


def test_left_overs_of_living_writers_stay(tmp_path: Path) -> None:
    with written_whole(tmp_path / "a.txt") as mine:
        with written_whole(tmp_path / "a.txt") as other:
            assert mine.exists()
            other.write_text("other")
        mine.write_text("mine")
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"geneface": []},
        {"geneface": {"format": 3}},
        {"step": None},
        {"pipeline": {PREFIX + "head.encoder.mean": torch.zeros(3)}},
        {"pipeline": {}},
        {"pipeline": {PREFIX + "head.encoder.mean": torch.full((68, 3), torch.nan)}},
    ],
    ids=["no description", "half a description", "no step", "other tensors", "no tensors", "no numbers"],
)
def test_a_whole_file_that_is_no_checkpoint_of_ours(run: Path, spoilt: dict) -> None:
    for path in (run / FOLDER).iterdir():
        write(path, {**read(path), **spoilt})
    with pytest.raises(InputError, match=r"step-000000007\.ckpt: .*again"):
        load_trained(run)


def test_a_checkpoint_asks_for_no_more_than_its_size(run: Path) -> None:
    path = run / FOLDER / "step-000000007.ckpt"
    whole = read(path)
    for name, value in {"occupancy_resolution": 100_000, "sample_step": 1e-9}.items():
        portrait = {**whole[METHOD]["portrait"], name: value}
        write(path, {**whole, METHOD: {**whole[METHOD], "portrait": portrait}})
        with pytest.raises(InputError, match=f"{value}"):
            load_trained(run)
