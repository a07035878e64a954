"""The folder of a corpus: who may go on in it, and what is cleaned up."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_motion.corpus.store import Refusal, Store, read_refusal
from audio_motion.errors import InputError
from tests.audio_motion.data.stored import stored

CONTENT = {"version": 1, "gate": {"min_fps": 15.0, "max_yaw": 45.0}}


def test_results_are_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    with store.opened(CONTENT):
        store.save_clip(stored("a.mp4"))
        store.save_refusal("ab" * 16, Refusal("b.mp4", "no face", "none to be seen"))
    with store.opened(CONTENT):
        assert set(store.finished()) == {stored("a.mp4").record.key}
        refused = store.refused()
        assert read_refusal(refused["ab" * 16]) == Refusal("b.mp4", "no face", "none to be seen")
    refused["ab" * 16].write_text("[")
    with pytest.raises(InputError, match="damaged"):
        read_refusal(refused["ab" * 16])


def test_what_a_kill_left_half_written_goes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.opened(CONTENT):
        store.save_clip(stored("a.mp4"))
    folder = next(iter(store.finished().values())).parent
    half = [folder / ".abc-x1y2.safetensors", tmp_path / ".shard-00000-zz.safetensors", tmp_path / ".corpus-q.json"]
    for path in half:
        path.write_bytes(b"half")
    with store.opened(CONTENT):
        assert len(store.finished()) == 1
        assert not any(path.exists() for path in half)


def test_other_options_are_named_one_by_one(tmp_path: Path) -> None:
    with Store(tmp_path).opened(CONTENT):
        pass
    other = {"version": 1, "gate": {"min_fps": 20.0, "max_yaw": 45.0}}
    with (
        pytest.raises(InputError, match=r"made with other options \(min_fps 15\.0, now 20\.0\)"),
        Store(tmp_path).opened(other),
    ):
        pass


def test_folders_that_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place, problem in ((tmp_path, "holds other files"), (tmp_path / "file", "is a file")):
        with pytest.raises(InputError, match=problem), Store(place).opened(CONTENT):
            pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody may write to")
def test_a_folder_that_cannot_be_written_to() -> None:
    with pytest.raises(InputError, match="cannot write"), Store(Path("/proc/self/out")).opened(CONTENT):
        pass


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        Store(tmp_path).opened(CONTENT),
        pytest.raises(InputError, match="another run is working here"),
        Store(tmp_path).opened(CONTENT),
    ):
        pass
