"""From a video to a video by the real command, killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from audio_motion.training.generator import GeneratorTraining, train_generator
from audio_motion.training.loop import LoopConfig
from geneface_ns.commands.cli import main
from geneface_ns.synthetic import speech_names, speech_track, write_clip
from geneface_ns.synthetic.clip import write_sound
from tests.geneface_ns.fakes import make_capture
from tests.geneface_ns.output.test_video import write_video, write_wav

SIZE, FPS, STEPS = 160, 10.0, 20


def geneface(place: Path, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "geneface_ns.commands.cli", *map(str, words)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True, env=environment)


def said(place: Path, *words: object) -> str:
    process = geneface(place, *words)
    _, printed = process.communicate()
    assert process.returncode == 0, printed
    return printed


def seconds(video: Path) -> tuple[float, float]:
    """Of the picture and of the sound."""
    with av.open(str(video)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(video)) as container:
        return frames / FPS, sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, two speeches, and a generator of one speaker, which needs nothing fitted to the capture."""
    folder = tmp_path_factory.mktemp("von Anna")
    write_clip(folder / "anna.mp4", seed=1, speech=speech_names("train")[:1], size=SIZE, fps=FPS, seconds=3.0)
    sound = speech_track(speech_names("unseen")[:1], 1).sound
    write_sound(folder / "one.wav", sound[:8000])
    write_sound(folder / "two.wav", sound[8000:14400])
    few = GeneratorTraining(loop=LoopConfig(steps=2, batch_size=2, learning_rate=1e-3, validate_every=2), crop=16)
    train_generator([make_capture(folder / "other", frames=60, fps=10.0)], folder / "voice.safetensors", few)
    return folder


def test_killed_in_the_training_and_begun_again(place: Path) -> None:
    words = ("talk", "anna.mp4", "one.wav", "said.mp4", "--iterations", STEPS, "--generator", "voice.safetensors")
    work = place / "anna.talk"
    first = geneface(place, *words)
    log = work / "talk.log"
    while not (log.is_file() and "$ ns-train" in log.read_text(errors="replace")):
        assert first.poll() is None, first.stderr and first.stderr.read()
        time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    captured = (work / "capture" / "transforms.json").stat().st_mtime_ns

    # The training that it had begun must have ended with it, or this would find its folder taken.
    printed = said(place, *words)
    assert "works in anna.talk/" in printed
    assert "the capture is kept" in printed
    assert "process the video" not in printed
    assert "[1/2] train the head" in printed
    assert "[2/2] fit and render" in printed
    assert (work / "capture" / "transforms.json").stat().st_mtime_ns == captured
    picture, sound = seconds(place / "said.mp4")
    assert picture == 0.5
    assert sound == pytest.approx(picture, abs=1 / FPS)
    run = work / "outputs" / "talk" / "geneface" / "run"
    assert (run / "config.yml").is_file()  # what ns-viewer wants
    assert (run / "nerfstudio_models" / f"step-{STEPS - 1:09d}.ckpt").is_file()

    # A second speech is only rendered, the first not at all.
    written = (place / "said.mp4").stat().st_mtime_ns
    two = ("talk", "anna.mp4", "two.wav", "two.mp4", "--generator", "voice.safetensors")
    printed = said(place, *two)
    assert f"the capture and the head of {STEPS} steps are kept" in printed
    assert "[1/1] fit and render" in printed
    assert seconds(place / "two.mp4")[0] == 0.4
    # The same in the video's own frames is another video, and says so.
    assert "s; mouth and jaw are generated, the rest is footage; another" in said(place, *two, "--replay")
    assert seconds(place / "two.mp4")[0] == 0.4
    assert "said.mp4 was made before" in said(place, *words)
    assert (place / "said.mp4").stat().st_mtime_ns == written
    # Whoever has the capture has its run.
    said(place, "render", "anna.talk/capture", "one.wav", "again.mp4", "--generator", "voice.safetensors")
    assert seconds(place / "again.mp4")[0] == 0.5

    # A head of Gaussians beside it, of the same capture; it is trained on the next time, without being asked for.
    beside = ("talk", "anna.mp4", "one.wav", "gaussians.mp4", "--generator", "voice.safetensors")
    printed = said(place, *beside, "--method", "geneface-splat", "--iterations", STEPS)
    assert "the capture is kept, and the head by geneface; one by geneface-splat is trained" in printed
    printed = said(place, *beside, "--iterations", STEPS + 5)
    assert f"the capture is kept, and {STEPS} steps of the head; it is trained on" in printed
    assert (work / "capture" / "transforms.json").stat().st_mtime_ns == captured
    found = {path.parts[-4]: path.stem for path in work.glob("outputs/talk/*/run/nerfstudio_models/*.ckpt")}
    assert found == {"geneface": f"step-{STEPS - 1:09d}", "geneface-splat": f"step-{STEPS + 4:09d}"}
    assert seconds(place / "gaussians.mp4")[0] == 0.5
    # Back to the first, which is as it was.
    printed = said(place, *words, "--method", "geneface")
    assert f"the capture and the head of {STEPS} steps by geneface are kept" in printed
    assert "said.mp4 was made before" in printed
    rendered = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("$ geneface_ns")]
    assert ["/geneface-splat/run" in line for line in rendered if " render " in line][-2:] == [True, True]


def test_what_cannot_be_used(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["geneface", "talk", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    monkeypatch.chdir(place)
    write_video(place / "silent.mp4", 40, FPS, None)
    write_video(place / "faceless.mp4", 40, FPS, write_wav(place / "tone.wav", 4.0, 16000))
    before = {path.name for path in place.iterdir()}
    for words, line in (
        (("absent.mp4", "one.wav"), "absent.mp4: no such file"),
        (("anna.mp4", "absent.wav"), "absent.wav: no such file"),
        (("silent.mp4", "one.wav"), "silent.mp4: has no sound track"),
        (("anna.mp4", "silent.mp4", "a.mp4"), "silent.mp4: has no sound track"),
        (("anna.mp4", "one.wav", "anna.mp4"), "anna.mp4: would replace anna.mp4, which is read"),
        (("anna.mp4", "one.wav", "a.gif"), "cannot write a video of type '.gif'"),
        (("anna.mp4", "one.wav", "--work", "."), "holds anna.mp4, which is read"),
        (("anna.mp4", "one.wav", "--work", "other"), "other: holds other files; choose another folder with --work"),
        (("anna.mp4", "one.wav", "--work", "one.wav"), "one.wav"),
        (("anna.mp4", "one.wav", "--minutes", 0), "--minutes 0: more than nothing is needed"),
        (("anna.mp4", "one.wav", "--minutes", 1, "--iterations", 1), "give one"),
        (("faceless.mp4", "one.wav", "a.mp4"), "face"),
    ):
        printed = refused(*words)
        assert line in printed
        assert printed.startswith("error: ")
        assert {path.name for path in place.iterdir()} == before, words
