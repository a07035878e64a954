"""No command writes over what it reads."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from audio_motion.cli import main as audio_motion
from audio_motion.sequence import LandmarkSequence, Producer, Sound
from audio_motion.topology import TEMPLATE
from audio_motion.training import generator
from geneface_ns.commands.cli import main as geneface
from tests.audio_motion.media.test_sound import write_sound, write_video
from tests.geneface_ns.commands.test_cli import config


def sequence_with_sound(path: Path, sound: Path) -> Path:
    LandmarkSequence(
        landmarks=np.tile(TEMPLATE, (25, 1, 1)).astype(np.float32),
        fps=25.0,
        eye_openness=np.full((25, 2), 0.3, np.float32),
        valid=np.ones(25, bool),
        person="anna",
        producer=Producer("avatar", "made up"),
        sound=Sound.of(sound, 16000),
    ).save(path)
    return path


def test_no_command_replaces_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = config(tmp_path)
    (tmp_path / "videos").mkdir()
    video = write_video(tmp_path / "videos" / "talk.mkv", 0.0)
    sound = write_sound(tmp_path / "speech.wav")
    motion = sequence_with_sound(tmp_path / "speech.npz", sound)
    path = tmp_path / "path.mp4"  # a camera path under an odd name
    path.write_text('{"camera_path": [], "seconds": 1}')
    weights = tmp_path / "evaluation.json"  # a checkpoint under an odd name
    weights.touch()
    train = ("audio-motion", "train")
    commands: list[tuple[object, ...]] = [
        ("geneface", "render", "--load-config", run, "--audio", video, "--output", video),
        ("geneface", "render", "--load-config", run, "--motion", motion, "--camera-path", path, "--output", path),
        ("geneface", "evaluate", "--load-config", run, "--generator", weights, "--output", tmp_path),
        ("geneface", "process", video, video.parent),
        ("geneface", "process", video, video),
        ("audio-motion", "predict", sound, sound),
        ("audio-motion", "track", video, video),
        ("audio-motion", "corpus", video.parent, video.parent),
        ("audio-motion", "evaluate", "--speech", tmp_path / "evaluation.wav", "--output", tmp_path),
        (*train, "generator", motion, "--output", motion),
        (*train, "generator", motion, "--output", sound),
        (*train, "syncnet", motion, "--output", sound),
        (*train, "postnet", motion, "--generator", weights, "--output", weights),
    ]
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    for command in commands:
        program, *arguments = map(str, command)
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as ended:
            (geneface if program == "geneface" else lambda: audio_motion(None))()
        assert ended.value.code == 2, command
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: "), command
        assert "which is read" in line, command
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before, command


def test_a_training_spares_the_files_of_a_capture_but_for_its_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Path] = []
    monkeypatch.setattr(generator, "train_generator", lambda sources, output, config, report: trained.append(output))
    capture = tmp_path / "anna"
    capture.mkdir()
    for name in ("landmarks.npz", "audio.wav", "transforms.json", "generator.safetensors"):
        (capture / name).touch()
    for name in ("landmarks.npz", "audio.wav", "transforms.json"):
        with pytest.raises(SystemExit):
            audio_motion(["train", "generator", str(capture), "--output", str(capture / name)])
    audio_motion(["train", "generator", str(capture), "--output", str(capture / "generator.safetensors")])
    assert trained == [capture / "generator.safetensors"]
