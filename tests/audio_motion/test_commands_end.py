"""Every command of `audio-motion` where it cannot go on: one line, an exit code, and no long work before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.cli import main
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from tests.audio_motion.corpus.conftest import write_video
from tests.audio_motion.data.captures import write_capture
from tests.audio_motion.synthetic_speech import talk, write_wav

Words = Callable[[Path], tuple[object, ...]]


def train(kind: str, *options: object) -> Words:
    return lambda output: ("train", kind, "anna", "--output", output, "--steps", 1, *options)


WRITE_A_FILE: dict[str, Words] = {
    "syncnet": train("syncnet"),
    "generator": train("generator"),
    "postnet": train("postnet", "--generator", "own.safetensors"),
    "predict": lambda output: ("predict", "speech.wav", output),
    "track": lambda output: ("track", "talk.mp4", output),
}
WRITE_A_FOLDER: dict[str, Words] = {
    "corpus": lambda output: ("corpus", "videos", output, "--speakers", "clip"),
    "evaluate": lambda output: ("evaluate", "--speech", "speech.wav", "--output", output),
}
READ = {
    "syncnet": ("anna/landmarks.npz", "anna/audio.wav"),
    "generator": ("anna/landmarks.npz",),
    "postnet": ("anna/audio.wav", "own.safetensors"),
    "predict": ("speech.wav", "own.safetensors"),
    "track": ("talk.mp4",),
    "corpus": ("videos",),
}
"""What each reads, the generator that comes with the package too."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_capture(tmp_path / "anna", 6.0)
    write_wav(tmp_path / "speech.wav", talk(1.0)[0])
    for name in ("file", "talk.mp4", "videos/talk.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no video")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "holds this").touch()
    own = shutil.copy(PRETRAINED_GENERATOR, tmp_path / "own.safetensors")
    monkeypatch.setattr("audio_motion.commands.PRETRAINED_GENERATOR", Path(own))
    monkeypatch.chdir(tmp_path)


def run(words: tuple[object, ...]) -> object:
    """The exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        return ended.code
    return 0


def refused(words: tuple[object, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command says of a mistake, after which all is as before."""
    before = sorted((str(path), path.stat().st_mtime_ns) for path in Path().rglob("*"))
    assert run(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert sorted((str(path), path.stat().st_mtime_ns) for path in Path().rglob("*")) == before
    return said


@pytest.mark.parametrize("command", WRITE_A_FILE)
def test_a_file_that_cannot_be_written(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = WRITE_A_FILE[command]
    assert "cannot write folder: is a folder" in refused(words(Path("folder")), capsys)
    assert "cannot write file/out.npz: " in (said := refused(words(Path("file/out.npz")), capsys))
    assert "file is a file" in said
    assert "cannot write /dev/null: is a pipe or a device" in refused(words(Path("/dev/null")), capsys)


@pytest.mark.parametrize("command", WRITE_A_FOLDER)
def test_a_folder_that_cannot_be_written(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = WRITE_A_FOLDER[command]
    assert "file" in refused(words(Path("file")), capsys)
    assert "file" in refused(words(Path("file/deeper")), capsys)


@pytest.mark.parametrize("command", READ)
def test_what_is_read_is_not_written_over(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = (WRITE_A_FILE | WRITE_A_FOLDER)[command]
    for read in READ[command]:
        said = refused(words(Path(read)), capsys)
        assert f"error: {read}: would replace " in said
        assert "which is read; choose another" in said


def test_an_evaluation_over_what_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    Path("speech.wav").rename("evaluation.png")
    words = ("evaluate", "--speech", "evaluation.png", "--output", ".")
    assert "would replace evaluation.png, which is read" in refused(words, capsys)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
@pytest.mark.parametrize("command", ["syncnet", "generator", "postnet", "predict"])
def test_a_gpu_that_is_not_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused((*WRITE_A_FILE[command](Path("out")), "--device", "cuda"), capsys)
    assert "torch sees no CUDA device here; use --device cpu" in said


@pytest.mark.parametrize("streams", [("stdout",), ("stdout", "stderr")], ids=["| head", "2>&1 | head"])
@pytest.mark.parametrize("command", ["generator", "predict", "track", "corpus", "evaluate"])
def test_nobody_reads_what_is_said(
    command: str,
    streams: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("audio_motion.tracking.track_video", lambda *_, **__: talk(1.0)[1])
    write_video(Path("talk.mp4"), np.zeros((25, 64, 64, 3), np.uint8), None)
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patch, open(writing, "w", closefd=True) as closed:
        for stream in streams:
            patch.setattr(f"sys.{stream}", closed)
        code = run((WRITE_A_FILE | WRITE_A_FOLDER)[command](Path("out")))
    said = capsys.readouterr().err
    assert "Traceback" not in said
    if command == "corpus" and streams == ("stdout",):
        assert code == 2  # it says all on the other, and none of its videos is one
    else:
        assert (code, said if len(streams) > 1 else "") == (141, "")
