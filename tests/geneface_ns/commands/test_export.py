"""`geneface export`, and what the file is good for where there is neither its capture nor nerfstudio."""

from __future__ import annotations

import copy
import json
import math
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.models.checkpoint import TrainedGenerator, load_generator, save_generator
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.predict import Generator
from audio_motion.tensors import pack, unpack
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.commands.camera_path import CameraPathConfig
from geneface_ns.commands.export import ExportConfig
from geneface_ns.motion.speech import motion_of_speech
from geneface_ns.motion.voice import POSTNET_FILE, voice_of
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.person_file import SCHEMA_VERSION, SentPerson, read_person_file
from geneface_ns.synthetic import speech_names, speech_track
from geneface_ns.synthetic.clip import write_sound
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained.load import load_trained
from tests.geneface_ns.commands.conftest import Refused
from tests.geneface_ns.commands.test_cli import geneface
from tests.geneface_ns.fakes import write_postnet, write_run

SMALL = PortraitConfig(sample_step=0.05, occupancy_resolution=16)
WITHOUT_NERFSTUDIO = "import sys; sys.modules['nerfstudio'] = None; from geneface_ns.commands.cli import main; main()"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """private/studio/ has a capture and a run, with the pictures that a training starts from; speech.wav."""
    folder = tmp_path_factory.mktemp("exported")
    made = folder / "private" / "studio"
    write_exact_capture(made / "takes", size=64, frames=22)
    capture = load_capture(made / "takes")
    torch.manual_seed(0)
    portrait = Portrait(capture, 1, SMALL)
    start_from_pictures(portrait, FrameStore(capture), np.flatnonzero(capture.is_train))
    with torch.no_grad():
        portrait.head.rest[-1].bias[3] = 0.0  # a head of fog: what it is like does not matter, but it must be seen
    write_run(made / "trainings", capture, portrait, SMALL)
    write_postnet(capture.folder / POSTNET_FILE, capture)
    write_sound(folder / "speech.wav", speech_track(speech_names("unseen")[:1], 1).sound[:16000])
    return folder


@pytest.fixture(scope="module")
def sent(place: Path) -> Path:
    """The person file alone in a folder."""
    made, elsewhere = place / "private" / "studio", place / "elsewhere"
    elsewhere.mkdir()
    done = geneface("export", made / "trainings", elsewhere / "anna.gface", "--consent", "she agreed on 3 May")
    assert done.returncode == 0, done.stderr
    assert re.search(r"anna.gface: \d\.\d MB, avatar-1 at 64x64 after 10 steps", done.stdout)
    assert "consent" not in done.stdout
    return elsewhere / "anna.gface"


def frames_of(video: Path) -> np.ndarray:
    """[T, H, W, 3] of 0 to 255."""
    with av.open(str(video)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]).astype(int)


def test_it_says_the_same_where_there_is_neither_capture_nor_nerfstudio(place: Path, sent: Path) -> None:
    made = place / "private" / "studio"
    said = ("--audio", place / "speech.wav", "--crf", 0, "--device", "cpu", "--output")
    done = geneface("render", "--load-config", made / "trainings", *said, place / "from run.mp4")
    assert done.returncode == 0, done.stderr
    away = place / "private away"
    (place / "private").rename(away)
    words = ("render", "--load-config", sent, *said, sent.parent / "from file.mp4")
    try:
        alone = subprocess.run(
            [sys.executable, "-c", WITHOUT_NERFSTUDIO, *map(str, words)], capture_output=True, text=True, cwd="/"
        )
    finally:
        away.rename(place / "private")
    assert alone.returncode == 0, alone.stderr
    before, after = frames_of(place / "from run.mp4"), frames_of(sent.parent / "from file.mp4")
    assert before.shape == after.shape == (13, 64, 64, 3)
    assert before.std() > 20
    difference = np.abs(before - after)
    print(f"max {difference.max()}, mean {difference.mean():.4f} of 255")
    assert difference.max() <= 4  # of which two are the pictures', and the rest the video's colours
    assert difference.mean() < 0.1


def test_talk_only_renders_it(place: Path, sent: Path, tmp_path: Path) -> None:
    (tmp_path / "anna.gface").symlink_to(sent)
    words = ("talk", "anna.gface", place / "speech.wav")
    away = place / "private away"
    (place / "private").rename(away)
    try:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_NERFSTUDIO, *map(str, words)], capture_output=True, text=True, cwd=tmp_path
        )
    finally:
        away.rename(place / "private")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "anna-speech.mp4: 1.04 s"
    assert {path.name for path in tmp_path.iterdir()} == {"anna.gface", "anna-speech.mp4"}
    shown = frames_of(tmp_path / "anna-speech.mp4")
    assert shown.shape == (13, 64, 64, 3)
    assert shown.std() > 20
    with av.open(str(tmp_path / "anna-speech.mp4")) as file:
        assert sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0)) == pytest.approx(1.04, abs=0.08)


def test_nothing_of_the_makers_machine_is_in_it(place: Path, sent: Path) -> None:
    contents = sent.read_bytes()
    names = {name for name in (place / "private" / "studio" / "takes" / "trainings").parts if len(name) > 4}
    assert {"private", "studio", "takes", "trainings"} <= names
    for name in names:
        assert name.encode() not in contents, name
    length = int.from_bytes(contents[:8], "little")
    assert b"/" not in contents[8 : 8 + length]
    # No picture of the video: of the size of one there is nothing but the two that the torso is made of.
    file = read_person_file(sent)
    pictures = {name for name, value in file.tensors.items() if value.dim() == 3 and value.shape[1] >= 64}
    assert pictures == {"torso.torso_picture", "torso.background_picture", "torso.latents.1"}
    assert not {name for name in file.tensors if "weight" in name and "occupancy" in name}


def test_under_another_name(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Refused) -> None:
    made = place / "private" / "studio"
    ExportConfig(made / "trainings", tmp_path / "b.gface", name="Berta").main()
    assert "Berta at 64x64" in capsys.readouterr().out
    file = read_person_file(tmp_path / "b.gface")
    assert (file.person.name, file.card.name, file.person.landmarks.person) == ("Berta",) * 3
    contents = (tmp_path / "b.gface").read_bytes()
    assert load_capture(made / "takes").name == "avatar-1"
    assert b"avatar-1" not in contents
    assert voice_of(file.person, "prior").postnet == file.person.postnet
    assert "--name is empty" in refused("export", made / "trainings", tmp_path / "c.gface", "--name", " ")


def test_its_voice(place: Path, sent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    person = load_trained(sent, device="cpu").person
    assert isinstance(person, SentPerson)
    voice = voice_of(person, "prior")
    assert voice.generator == PRETRAINED_GENERATOR
    # The post-net is heard: it moves all landmarks by as much as it was made to.
    speech = place / "speech.wav"
    fitted = np.stack([frame.landmarks for frame in motion_of_speech(speech, voice, person, 0, 0.1)])
    spoken = Generator.load(PRETRAINED_GENERATOR).predict(speech, person.fps, temperature=0.1)
    offsets = spoken.landmarks - spoken.mean
    lower = slice(2, 15)  # of the jaw: the lids are drawn anew
    assert np.abs((fitted - person.mean_landmarks - offsets)[:, lower].mean()) > 1e-3
    # The same generator by its name, and another, of many speakers and of one.
    assert voice_of(person, str(PRETRAINED_GENERATOR)).postnet == person.postnet
    trained = load_generator(PRETRAINED_GENERATOR)
    with torch.no_grad():
        trained.model.leave.bias += 0.01
    for speakers in (12, 1):
        mine = tmp_path / f"{speakers}.safetensors"
        one = TrainedGenerator(
            trained.model, trained.face, trained.amplitude, {"speakers": speakers}, trained.features, ""
        )
        save_generator(mine, one)
        capsys.readouterr()
        assert voice_of(person, str(mine)).postnet is None
        assert ("has no post-net for it" in capsys.readouterr().out) == (speakers == 12)
        assert len(list(motion_of_speech(speech, voice_of(person, str(mine)), person, 0, 0.1))) == 13


def test_of_another_releases_generator(place: Path, sent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = load_trained(sent, device="cpu").person
    loaded = load_generator(PRETRAINED_GENERATOR)
    changed = TrainedGenerator(loaded.model, loaded.face, 1.0, loaded.training, loaded.features, "0" * 64)
    monkeypatch.setattr("audio_motion.models.checkpoint.load_generator", lambda *args, **kwargs: changed)
    with pytest.raises(InputError, match="made for the generator of another release"):
        voice_of(person, "prior")


def test_what_it_is_not_good_for(place: Path, sent: Path, tmp_path: Path, refused: Refused) -> None:
    made, out = place / "private" / "studio", tmp_path / "out.mp4"
    shutil.copy(PRETRAINED_GENERATOR, tmp_path / "other.gface")

    def render(file: Path, *more: object) -> str:
        return refused("render", "--load-config", file, "--audio", place / "speech.wav", "--output", out, *more)

    assert "holds no sound of the person to fit one to" in render(sent, "--generator", "person")
    assert "a person file needs no capture; leave it out" in render(sent, "--data", made / "takes")
    assert "absent.gface: no such file; give a person file" in render(tmp_path / "absent.gface")
    assert "other.gface: not a person file" in render(tmp_path / "other.gface")
    assert "holds neither pictures nor sound" in refused("evaluate", "--load-config", sent)
    assert "holds neither pictures nor sound" in refused("export", sent, tmp_path / "again.gface")
    assert "ends in .gface" in refused("export", made / "trainings", tmp_path / "anna.safetensors")
    speech = place / "speech.wav"
    assert "nothing for --minutes and --size; leave that out" in refused(
        *("talk", sent, speech, out, "--minutes", 3, "--size", 256)
    )
    assert "holds no sound of the person to fit one to" in refused("talk", sent, speech, out, "--generator", "person")
    assert "absent.gface: no such file; give a person file" in refused("talk", tmp_path / "absent.gface", speech, out)
    assert "absent.wav: no such file" in refused("talk", sent, tmp_path / "absent.wav", out)
    assert {path.name for path in tmp_path.iterdir()} == {"other.gface"}


def test_of_another_version(place: Path, sent: Path, tmp_path: Path, refused: Refused) -> None:
    found = unpack(sent.read_bytes())
    (tmp_path / "later.gface").write_bytes(pack(found.info | {"schema_version": SCHEMA_VERSION + 1}, found.tensors))
    speech, out = place / "speech.wav", tmp_path / "out.mp4"
    for words in (("render", speech, out), ("talk", speech, out), ("view",), ("camera-path", tmp_path / "path.json")):
        line = refused(words[0], tmp_path / "later.gface", *words[1:])
        assert line.startswith(
            f"error: {tmp_path}/later.gface: person file of schema version {SCHEMA_VERSION + 1}, this "
        )
    assert [path.name for path in tmp_path.iterdir()] == ["later.gface"]


def test_a_camera_path_that_is_no_number(sent: Path, place: Path, tmp_path: Path, refused: Refused) -> None:
    path, out = tmp_path / "path.json", tmp_path / "out.mp4"
    CameraPathConfig(sent, path, seconds=0.2).main()
    whole = json.loads(path.read_text())
    for name, value in (("fov", math.nan), ("render_time", math.inf), ("camera_to_world", [math.nan] * 16)):
        broken = copy.deepcopy(whole)
        broken["camera_path"][1][name] = value
        path.write_text(json.dumps(broken))
        line = refused("render", sent, place / "speech.wav", out, "--camera-path", path)
        assert line.startswith(f"error: {path}: "), line
        assert "Traceback" not in line
    assert [one.name for one in tmp_path.iterdir()] == ["path.json"]


def test_a_port_in_use(sent: Path, refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = refused("view", sent, "--port", port)
    assert line == (
        f"error: cannot listen at 127.0.0.1:{port} (Address already in use); choose another --port or --host"
    )


def test_a_post_net_is_fitted_where_there_is_none(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from geneface_ns.motion import voice

    made, fitted = place / "private" / "studio", []
    shutil.copytree(made / "takes", tmp_path / "copy")
    (tmp_path / "copy" / POSTNET_FILE).unlink()

    def kept(capture, name, what, train, fits):
        fitted.append(name)
        return write_postnet(capture.folder / name, capture)

    monkeypatch.setattr(voice, "_kept", kept)
    ExportConfig(made / "trainings", tmp_path / "anna.gface", data=tmp_path / "copy").main()
    assert fitted == [POSTNET_FILE]
    assert "--consent makes it say so" in capsys.readouterr().out
    assert load_trained(tmp_path / "anna.gface", device="cpu").step == 9
