"""A person file of Gaussians, by the real command lines: written, and opened where nobody says whose it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from geneface_ns.commands.export import ExportConfig
from geneface_ns.motion.voice import POSTNET_FILE
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.scene.person_file import read_person_file
from geneface_ns.splat.portrait import SplatPortraitConfig
from geneface_ns.synthetic import speech_names, speech_track
from geneface_ns.synthetic.clip import write_sound
from tests.geneface_ns.commands.conftest import Refused
from tests.geneface_ns.commands.test_cli import geneface
from tests.geneface_ns.commands.test_export import WITHOUT_NERFSTUDIO, frames_of
from tests.geneface_ns.fakes import write_postnet, write_run
from tests.geneface_ns.splat.tiny import SIZE, tiny_person

FRAMES = 13
"""Of the speech: 1 s at 12.5 frames a second."""
SMALL = PortraitConfig(sample_step=0.05, occupancy_resolution=16)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """takes/ is a capture; outputs/ has a run of each method on it, geneface's the newest; speech.wav."""
    folder = tmp_path_factory.mktemp("exported")
    person = tiny_person(folder / "takes", steps=40)
    write_run(run_in(folder, "geneface-splat"), person.capture, person.portrait, SplatPortraitConfig())
    torch.manual_seed(0)
    write_run(run_in(folder, "geneface"), person.capture, Portrait(person.capture, 1, SMALL), SMALL)
    make_newest(folder, "geneface")
    write_postnet(person.capture.folder / POSTNET_FILE, person.capture)
    write_sound(folder / "speech.wav", speech_track(speech_names("unseen")[:1], 1).sound[:16000])
    return folder


def run_in(folder: Path, method: str) -> Path:
    return folder / "outputs" / "x" / method / "run"


def make_newest(folder: Path, method: str) -> None:
    for name in ("geneface", "geneface-splat"):
        (checkpoint,) = (run_in(folder, name) / "nerfstudio_models").iterdir()
        os.utime(checkpoint, (200 if name == method else 100,) * 2)


@pytest.fixture(scope="module")
def sent(place: Path) -> Path:
    """The person file alone in a folder."""
    (place / "elsewhere").mkdir()
    file = place / "elsewhere" / "anna.gface"
    done = geneface("export", run_in(place, "geneface-splat"), file, "--consent", "she agreed", "--name", "Anna")
    assert done.returncode == 0, done.stderr
    assert f"MB, Anna at {SIZE}x{SIZE} after 10 steps" in done.stdout
    assert read_person_file(file).renderer == "geneface-splat"
    return file


def alone(sent: Path, *words: object) -> str:
    """Run a command where there is neither its capture nor nerfstudio."""
    takes = sent.parent.parent / "takes"
    takes.rename(takes.with_name("takes away"))
    try:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_NERFSTUDIO, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=sent.parent,
        )
    finally:
        takes.with_name("takes away").rename(takes)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_it_says_the_same_as_the_run(place: Path, sent: Path) -> None:
    said = (place / "speech.wav", "--crf", 0)
    done = geneface("render", run_in(place, "geneface-splat"), *said, "--output", place / "run.mp4")
    assert done.returncode == 0, done.stderr
    alone(sent, "render", "anna.gface", *said, "--output", "file.mp4")
    before, after = frames_of(place / "run.mp4"), frames_of(sent.parent / "file.mp4")
    assert before.shape == after.shape == (FRAMES, SIZE, SIZE, 3)
    assert before.std() > 20
    decibels = 10 * np.log10(255**2 / np.mean((before - after) ** 2))
    print(f"{decibels:.1f} dB")
    assert decibels > 48  # of two videos, each of which rounds its colours


def test_talk_a_page_and_a_ply_of_it(place: Path, sent: Path) -> None:
    assert alone(sent, "talk", "anna.gface", place / "speech.wav").splitlines()[-1] == "anna-speech.mp4: 1.04 s"
    assert frames_of(sent.parent / "anna-speech.mp4").shape == (FRAMES, SIZE, SIZE, 3)
    assert f"anna.html: {FRAMES} frames" in alone(sent, "page", "anna.gface", place / "speech.wav", "anna.html")
    assert "<title>Anna (synthetic)</title>" in (sent.parent / "anna.html").read_text()
    assert "Gaussians" in alone(sent, "export", "anna.gface", "anna.ply")
    assert (sent.parent / "anna.ply").read_bytes().startswith(b"ply\n")


def test_of_the_maker_there_is_nothing_in_it(place: Path, sent: Path) -> None:
    contents = sent.read_bytes()
    for name in ("takes", "elsewhere", "outputs", "avatar-1"):
        assert name.encode() not in contents, name
    assert b"/" not in contents[8 : 8 + int.from_bytes(contents[:8], "little")]
    file = read_person_file(sent)
    pictures = {name for name, value in file.tensors.items() if value.dim() == 3 and value.shape[1] >= 64}
    assert pictures == {"torso.torso_picture", "torso.background_picture", "torso.latents.1"}


def test_which_run_of_a_capture_is_taken(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file is of the newest run, whichever method it is of, and says which; a .ply of the newest that can be one."""
    monkeypatch.chdir(place)
    for newest in ("geneface-splat", "geneface"):
        make_newest(place, newest)
        ExportConfig(Path("takes"), tmp_path / "a.gface").main()
        assert f"takes: taking its newest run, outputs/x/{newest}/run" in capsys.readouterr().out
        assert read_person_file(tmp_path / "a.gface").renderer == newest
        ExportConfig(Path("takes"), tmp_path / "a.ply").main()
        assert "outputs/x/geneface-splat/run" in capsys.readouterr().out


def test_what_is_refused(place: Path, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused):
    monkeypatch.chdir(place)
    make_newest(place, "geneface")
    speech, field = place / "speech.wav", run_in(place, "geneface")
    ExportConfig(field, tmp_path / "field.gface").main()
    for words, says in (
        (("render", sent, speech, "out.mp4", "--replay"), "--replay needs the capture"),
        (("render", sent, speech, "out.mp4", "--renderer", "reference"), "a head of Gaussians has none"),
        (("render", sent, speech, "out.mp4", "--device", "cuda"), "geneface-splat runs on the CPU"),
        (("render", sent, speech, "out.mp4", "--data", "takes"), "a person file needs no capture"),
        (("talk", sent, speech, "out.mp4", "--method", "geneface"), "nothing for --method; leave that out"),
        (("talk", sent, speech, "out.mp4", "--replay"), "--replay needs the capture"),
        (("evaluate", sent), "holds neither pictures nor sound"),
        (("export", sent, "again.gface"), "holds neither pictures nor sound"),
        (("page", field, speech, "out.html"), "only heads of Gaussians can be put on a page"),
        (("page", tmp_path / "field.gface", speech, "out.html"), "only heads of Gaussians can be put on a page"),
        (("export", tmp_path / "field.gface", "out.ply"), "only heads of Gaussians make a .ply"),
    ):
        assert says in refused(*words), words
    run_in(place, "geneface-splat").rename(place / "away")
    try:
        for words in (("page", "takes", speech, "out.html"), ("export", "takes", "out.ply")):
            assert "takes: no run of geneface-splat on this capture in outputs/" in refused(*words)
    finally:
        (place / "away").rename(run_in(place, "geneface-splat"))
    assert not list(place.glob("out.*"))
