"""From a video to a head that speaks, through the real command lines: every file that one writes, the next reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.sequence import LandmarkSequence, Sound
from geneface_ns.synthetic import speech_names, speech_track, write_clip
from geneface_ns.synthetic.clip import write_sound

BIN = Path(sys.executable).parent
SIZE, FPS = 160, 12.5
STEPS = 300
# Decibels on the test frames: 14 where there is no head and 15 with one that was not trained, 26 after these steps.
WHOLE = 20.0
# In the lips' box: 12.5 and 13 without, 27 with training.
LIPS = 20.0


def run(*words: object, code: int | None = 0, folder: Path | None = None) -> str:
    """Run a command; returns what it printed, in one line. No code: it must fail, whichever way."""
    program = (
        [sys.executable, "-m", "geneface_ns.commands.cli"] if words[0] == "geneface" else [str(BIN / str(words[0]))]
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "300"}
    done = subprocess.run(
        [*program, *map(str, words[1:])],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        cwd=folder,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == code if code is not None else done.returncode != 0, printed[-3000:]
    return printed


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything lies: talk.mp4 and speech.wav to begin with."""
    folder = tmp_path_factory.mktemp("Köpfe und Reden")
    write_clip(folder / "talk.mp4", seed=1, size=SIZE, fps=FPS, seconds=6)
    write_sound(folder / "speech.wav", speech_track(speech_names("unseen")[:1], 1).sound[:24000])
    return folder


@pytest.fixture(scope="module")
def capture(place: Path) -> Path:
    printed = run("geneface", "process", "talk.mp4", "anna", "--person", "anna", folder=place)
    assert "75 frames" in printed
    return place / "anna"


def train(place: Path, *more: object, capture: object = "anna", code: int | None = 0) -> str:
    return run(
        *("ns-train", "geneface", "--data", capture, "--output-dir", "outputs", "--experiment-name", "x"),
        *("--timestamp", "run", "--vis", "tensorboard", "--machine.device-type", "cpu"),
        *("--max-num-iterations", STEPS, "--steps-per-eval-image", 0, "--pipeline.model.coarse-steps", 40),
        *("--pipeline.datamanager.train-num-rays-per-batch", 1024, *more),
        code=code,
        folder=place,
    )


@pytest.fixture(scope="module")
def trained(place: Path, capture: Path) -> Path:
    """The run's folder; trained with relative paths."""
    train(place)
    return place / "outputs" / "x" / "geneface" / "run"


def test_it_has_learnt_the_face(trained: Path, place: Path) -> None:
    run("ns-eval", "--load-config", trained / "config.yml", "--output-path", place / "eval.json", folder=Path("/"))
    results = json.loads((place / "eval.json").read_text())["results"]
    assert results["psnr"] > WHOLE
    assert results["psnr_head_over_real"] > WHOLE
    assert results["psnr_lips"] > LIPS


def test_ns_render_shows_the_test_frames(trained: Path, capture: Path, place: Path) -> None:
    out = place / "dataset"
    run("ns-render", "dataset", "--load-config", trained / "config.yml", "--output-path", out, "--image-format", "png")
    errors = []
    shown = sorted(out.glob("test/rgb/**/*.png"))
    assert len(shown) == 7
    for path in shown:
        real = cv2.imread(str(capture / "images" / path.name))
        errors.append(np.mean((cv2.imread(str(path)) / 255 - real / 255) ** 2))
    assert -10 * np.log10(np.mean(errors)) > WHOLE


def frames_and_sound(video: Path) -> tuple[np.ndarray, float]:
    """Frames, uint8 [T, H, W, 3], and seconds of sound."""
    with av.open(str(video)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(str(video)) as container:
        if not container.streams.audio:
            return frames, 0.0
        return frames, sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_speech_becomes_a_video_as_long_as_the_sound(trained: Path, capture: Path, place: Path) -> None:
    run(
        *("geneface", "render", "--load-config", trained, "--audio", place / "speech.wav"),
        *("--generator", PRETRAINED_GENERATOR, "--output", place / "said.mp4"),
        folder=Path("/"),
    )
    frames, seconds = frames_and_sound(place / "said.mp4")
    assert frames.shape == (19, SIZE, SIZE, 3)  # 1.5 s, the last frame at 1.44 s
    assert seconds == pytest.approx(1.5, abs=0.1)
    # The capture's own poses from its start, with other lips: like its pictures but for the mouth.
    real = np.stack([cv2.imread(str(capture / f"images/{i:05d}.png"))[..., ::-1] for i in range(len(frames))])
    upper = slice(0, SIZE // 2)
    assert -10 * np.log10(np.mean((frames[:, upper] / 255 - real[:, upper] / 255) ** 2)) > WHOLE


def test_a_folder_of_speeches(trained: Path, place: Path) -> None:
    speeches, videos = place / "speeches", place / "videos"
    speeches.mkdir()
    for name, seconds in (("a.wav", 0.5), ("b.wav", 0.4), ("b.flac.txt", 0.3)):
        write_sound(speeches / name, np.sin(np.arange(round(seconds * 16000)) / 10).astype(np.float32))
    shutil.copy(speeches / "a.wav", speeches / "b.mp3")  # what it is called is not what it is
    (speeches / "damaged.wav").write_bytes((speeches / "a.wav").read_bytes()[:30])
    # By the capture: its newest run, whatever that is called. Post-net and all, as before.
    words = ("geneface", "render", "anna", speeches, videos, "--workers", 2, "--generator", PRETRAINED_GENERATOR)
    printed = run(*words, folder=place)
    assert f"anna: taking its newest run, {trained.relative_to(place)}" in printed
    assert "not rendered: damaged.wav: " in printed
    assert {path.name for path in videos.iterdir()} == {"a.mp4", "b.wav.mp4", "b.mp3.mp4", ".renders.json"}
    assert len(frames_and_sound(videos / "a.mp4")[0]) == 7
    assert frames_and_sound(videos / "a.mp4")[1] == pytest.approx(7 / FPS, abs=1 / FPS)
    assert len(frames_and_sound(videos / "b.wav.mp4")[0]) == 5
    before = contents(videos)
    write_sound(speeches / "a.wav", np.sin(np.arange(4800) / 10).astype(np.float32))
    assert "2 of 4 videos were done before" in run(*words, folder=place)
    after = contents(videos)
    assert {Path(name).name for name in after if after[name] != before[name]} == {".renders.json", "a.mp4"}
    assert len(frames_and_sound(videos / "a.mp4")[0]) == 4
    for path in speeches.glob("[ab].*"):
        path.unlink()
    assert "none of its files could be rendered" in run(*words, code=2, folder=place)


def test_motion_brings_its_sound_along(trained: Path, capture: Path, place: Path) -> None:
    own = LandmarkSequence.load(capture / "landmarks.npz")
    write_sound(place / "short.wav", np.sin(np.arange(8000) / 10).astype(np.float32))
    LandmarkSequence(
        landmarks=own.landmarks[:6],
        fps=FPS,
        eye_openness=own.eye_openness[:6],
        valid=own.valid[:6],
        person="anna",
        producer=own.producer,
        sound=Sound.of(place / "short.wav", 16000),
    ).save(place / "short.npz")
    words = ("geneface", "render", "--load-config", trained, "--motion", place / "short.npz", "--output")
    run(*words, place / "moved.mp4")
    frames, seconds = frames_and_sound(place / "moved.mp4")
    assert len(frames) == 6
    assert seconds > 0.4
    write_sound(place / "short.wav", np.zeros(8000, np.float32))  # no longer what the motion was made from
    assert "the video will be silent" in run(*words, place / "moved.mp4")
    assert frames_and_sound(place / "moved.mp4")[1] == 0


def test_evaluate(trained: Path, place: Path) -> None:
    run(
        "geneface",
        "evaluate",
        "--load-config",
        trained / "config.yml",
        "--generator",
        PRETRAINED_GENERATOR,
        "--device",
        "cpu",
        "--audio",
        place / "speech.wav",
    )
    report = json.loads((trained / "evaluation" / "evaluation.json").read_text())
    assert report["step"] == STEPS - 1
    for mode in ("head over the real torso", "all rendered"):
        found = report["modes"][mode]
        assert found["psnr_db"] > WHOLE
        assert found["mouth_psnr_db"] > LIPS
        assert found["frames_with_face"] == 7
    assert report["modes"]["audio-driven"]["psnr_db"] > WHOLE
    assert list(report["driven"]) == ["real frames", "own speech", "speech.wav", "mean of the speeches"]
    assert report["driven"]["speech.wav"] == report["driven"]["mean of the speeches"]
    assert 0.5 < report["driven"]["speech.wav"]["face"] < 2
    assert report["ceiling"]["obedience"] > 0.5
    assert report["as_used"] == "not measured: a face in 7 of 7 frames; naturalness needs 1 s of it"
    assert report["heads"].startswith("not measured: ")
    assert len(frames_and_sound(trained / "evaluation" / "side_by_side.mp4")[0]) == 7


def test_the_same_command_again_says_that_it_is_finished(trained: Path, place: Path) -> None:
    before = contents(place)
    assert f"is finished: all {STEPS} steps are done" in train(place)
    assert contents(place) == before


@pytest.fixture
def longer(trained: Path) -> Iterator[Path]:
    """A copy of the run that may be changed."""
    copied = trained.with_name("longer")
    shutil.copytree(trained, copied)
    yield copied
    shutil.rmtree(copied)


def test_asking_for_more_goes_on_and_a_damaged_checkpoint_is_passed_over(longer: Path, place: Path) -> None:
    models = longer / "nerfstudio_models"
    (last,) = models.iterdir()
    damaged = models / "step-000000350.ckpt"
    damaged.write_bytes(last.read_bytes()[:5000])
    printed = train(place, "--timestamp", "longer", "--max-num-iterations", STEPS + 2)
    assert "step-000000350.ckpt: damaged checkpoint" in printed
    assert [path.name for path in models.iterdir()] == [f"step-{STEPS + 1:09d}.ckpt"]


@pytest.fixture
def processed_again(capture: Path) -> Iterator[None]:
    """As with other options: the same number of frames, other landmarks."""
    path = capture / "landmarks.npz"
    kept = path.read_bytes()
    sequence = LandmarkSequence.load(path)
    sequence.landmarks[:] += 1e-3
    sequence.save(path)
    yield
    path.write_bytes(kept)


@pytest.mark.usefixtures("processed_again")
def test_a_capture_processed_again_is_refused(trained: Path, place: Path) -> None:
    before = contents(trained)
    refused = "was trained on another capture than"
    assert refused in train(place, "--max-num-iterations", STEPS + 1, code=None)
    assert refused in run("ns-eval", "--load-config", trained / "config.yml", code=None, folder=place)
    words = ("geneface", "render", "--load-config", trained, "--audio", place / "speech.wav")
    assert refused in run(*words, "--output", place / "other.mp4", code=2)
    assert not (place / "other.mp4").exists()
    assert contents(trained) == before


def test_run_and_capture_are_moved(trained: Path, capture: Path, place: Path) -> None:
    """Last: they do not come back."""
    there = place / "elsewhere"
    there.mkdir()
    trained.rename(there / "anna's head")
    capture.rename(there / "anna")
    words = ("geneface", "render", "--load-config", "anna's head", "--motion", place / "short.npz", "--output", "a.mp4")
    assert "say where it is with --data" in run(*words, code=2, folder=there)
    run(*words, "--data", "anna", folder=there)
    assert len(frames_and_sound(there / "a.mp4")[0]) == 6
