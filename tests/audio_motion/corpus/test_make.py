"""The whole command with the work on a clip replaced: what is done again, what is listed, how it stops."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from audio_motion.corpus import make
from audio_motion.corpus import work as work_of_one
from audio_motion.corpus.clip import ClipWork, Refused
from audio_motion.corpus.config import CorpusConfig, Gate
from audio_motion.corpus.make import make_corpus
from audio_motion.corpus.work import work_on
from audio_motion.data.corpus import load_corpus
from audio_motion.data.shard_file import StoredClip
from audio_motion.errors import InputError
from audio_motion.parallel import Outcome
from tests.audio_motion.data.stored import record_of, stored


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the clips that were worked on; those named bad are refused, those named bug fail."""
    names: list[str] = []

    def work_on_clip(work: ClipWork) -> StoredClip:
        name = work.source.name
        names.append(name)
        if "bad" in name:
            raise Refused("no face", f"{name}: no face found")
        if "bug" in name:
            raise ZeroDivisionError("oh")
        if "stop" in name and names.count(name) == 1:
            raise KeyboardInterrupt
        clip = stored(name, 60)
        record = record_of(name, 25.0, clip.arrays).__dict__ | {"key": work.key}
        return StoredClip(type(clip.record)(**record), **clip.arrays)

    def one_after_the_other(todo: Sequence[ClipWork], output: Path, *_: object) -> Iterator[Outcome]:
        yield from (work_on(work, output) for work in todo)

    monkeypatch.setattr(work_of_one, "make_clip", work_on_clip)
    monkeypatch.setattr(make, "each_clip", one_after_the_other)
    return names


def videos(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def run(tmp_path: Path, **options: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    config = CorpusConfig(tmp_path / "videos", tmp_path / "out", **options)  # type: ignore[arg-type]
    make_corpus(config, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_listing_and_the_report(tmp_path: Path, worked: list[str]) -> None:
    videos(tmp_path / "videos", "anna/1.mp4", "anna/2.mp4", "ben/bad.mp4", "eve/3.mp4", "eve/bug.mp4")
    said = run(tmp_path, speakers="folder", held_out=0.6)
    listing = json.loads((tmp_path / "out/corpus.json").read_text())
    assert [(clip["name"], clip["speaker"]) for clip in listing["clips"]] == [
        ("anna/1.mp4", "anna"),
        ("anna/2.mp4", "anna"),
        ("eve/3.mp4", "eve"),
    ]
    assert listing["options"]["gate"]["min_fps"] == 15.0
    refused = {refusal["name"]: (refusal["kind"], refusal["reason"]) for refusal in listing["refused"]}
    assert refused == {
        "ben/bad.mp4": ("no face", "ben/bad.mp4: no face found"),
        "eve/bug.mp4": ("failed", "ZeroDivisionError: oh"),
    }
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["clips"], report["speakers"], report["refused"]) == (3, 2, {"no face": 1, "failed": 1})
    assert report["splits"]["train"]["clips"] + report["splits"]["held-out"]["clips"] == 3
    assert (tmp_path / "out/report.png").read_bytes().startswith(b"\x89PNG")
    assert "refused: 1 no face, 1 failed" in said
    assert {clip.speaker for clip in load_corpus(tmp_path / "out")} == {"anna", "eve"}


def test_only_what_is_new_or_failed_is_worked_on_again(tmp_path: Path, worked: list[str]) -> None:
    videos(tmp_path / "videos", "1.mp4", "2.mp4", "bad.mp4", "bug.mp4")
    run(tmp_path)
    assert worked == ["1.mp4", "2.mp4", "bad.mp4", "bug.mp4"]
    worked.clear()
    videos(tmp_path / "videos", "3.mp4")
    (tmp_path / "videos/1.mp4").write_bytes(b"another file now")
    assert "2 of 5 clips were done before" in run(tmp_path, held_out=0.5)  # the split may change at any time
    assert worked == ["1.mp4", "3.mp4", "bug.mp4"]
    assert sorted(clip.name for clip in load_corpus(tmp_path / "out")) == ["1.mp4", "2.mp4", "3.mp4"]


def test_stopped_and_gone_on_with(tmp_path: Path, worked: list[str]) -> None:
    videos(tmp_path / "videos", "1.mp4", "2.mp4", "stop.mp4", "4.mp4")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    run(tmp_path)
    assert worked == ["1.mp4", "2.mp4", "4.mp4", "stop.mp4", "stop.mp4"]
    assert len(load_corpus(tmp_path / "out")) == 4


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(
    tmp_path: Path, worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    videos(tmp_path / "videos", "1.mp4", "2.mp4", "3.mp4")
    original, room = Path.write_bytes, 2

    def filling(path: Path, contents: bytes) -> int:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(28, "No space left on device")
        return original(path, contents)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", filling)
        with pytest.raises(InputError, match=r"No space left on device; free some space .* finished clips are kept"):
            run(tmp_path)
    worked.clear()
    run(tmp_path)
    assert worked == ["3.mp4"]
    assert len(load_corpus(tmp_path / "out")) == 3


def test_when_nothing_can_be_used_the_report_says_why(tmp_path: Path, worked: list[str]) -> None:
    videos(tmp_path / "videos", "bad.mp4")
    with pytest.raises(InputError, match=r"none of its videos can be used; .*report\.json says why"):
        run(tmp_path)
    assert json.loads((tmp_path / "out/report.json").read_text())["refused"] == {"no face": 1}
    assert len(load_corpus(tmp_path / "out")) == 0


def test_mistakes_are_told_before_anything_is_written(tmp_path: Path, worked: list[str]) -> None:
    videos(tmp_path / "videos", "1.mp4")
    for options, problem in (
        ({"held_out": 1.5}, "--held-out"),
        ({"workers": 0}, "--workers"),
        ({"speaker_table": tmp_path / "none.csv"}, "no such file"),
    ):
        with pytest.raises(InputError, match=problem):
            run(tmp_path, **options)
    assert not (tmp_path / "out").exists()
    run(tmp_path)
    with pytest.raises(InputError, match="min_face_width"):
        run(tmp_path, gate=Gate(min_face_width=10))


def test_who_speaks_is_what_the_layout_says_and_doubt_is_loud(tmp_path: Path, worked: list[str]) -> None:
    videos(tmp_path / "videos", "anna/1.mp4", "anna/2.mp4", "ben/3.mp4")
    assert "WARNING" not in run(tmp_path)
    assert {clip.speaker for clip in load_corpus(tmp_path / "out")} == {"anna", "ben"}
    for name in ("anna", "ben"):
        for path in (tmp_path / "videos" / name).iterdir():
            path.rename(tmp_path / "videos" / f"{name} says {path.stem}th.mp4")
    said = run(tmp_path)
    assert "WARNING: nothing tells who speaks" in said
    assert said.index("WARNING") < said.index("putting the clips into shards")  # before the work
    assert "advice: nothing tells who speaks" in said
    assert "WARNING" not in run(tmp_path, speakers="clip")
