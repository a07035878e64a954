"""The method as nerfstudio runs it: train, resume, evaluate and render through the real commands."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from geneface_ns.capture_format.pictures import read_png
from geneface_ns.commands.render import RenderConfig
from geneface_ns.output.video import VideoWriter
from geneface_ns.synthetic.exact_capture import write_exact_capture

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"}


def run(*words: object, code: int = 0, **environment: str) -> str:
    """Run a command of the environment; returns what it printed."""
    command = [str(BIN / str(words[0])), *map(str, words[1:])]
    done = subprocess.run(
        command, capture_output=True, text=True, env=ENVIRONMENT | environment, stdin=subprocess.DEVNULL
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def refused(*words: object) -> str:
    """Run a command that ends on a user's mistake; returns the line that says which."""
    *_, line = run(*words, code=2).splitlines()
    assert line.startswith("error: ")
    return line


def train(capture: Path, output: Path, *more: object, code: int = 0) -> str:
    return run(
        *("ns-train", "geneface", "--data", capture, "--output-dir", output, "--experiment-name", "x"),
        *("--timestamp", "run", "--vis", "tensorboard", "--machine.device-type", "cpu"),
        *("--max-num-iterations", 40, "--steps-per-save", 20, "--steps-per-eval-image", 20),
        *("--save-only-latest-checkpoint", "False", "--pipeline.datamanager.train-num-rays-per-batch", 512),
        *("--pipeline.model.coarse-steps", 10, *more),
        code=code,
    )


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("method") / "Ännas capture"
    write_exact_capture(folder)
    return folder


@pytest.fixture(scope="module")
def trained(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained")
    train(capture, output)
    return output / "x" / "geneface" / "run"


def checkpoint(run_folder: Path, step: int) -> dict:
    # weights_only: a checkpoint is data, not code.
    return torch.load(run_folder / f"nerfstudio_models/step-{step:09d}.ckpt", map_location="cpu", weights_only=True)


def test_two_stages_in_one_run(trained: Path):
    half, whole = checkpoint(trained, 20), checkpoint(trained, 39)
    # Head stage until step 30: from 20 to 39 both parts have learned.
    changed = {name for name, value in whole["pipeline"].items() if not torch.equal(value, half["pipeline"][name])}
    assert "_model.portrait.head.lower_planes" in changed
    assert "_model.portrait.torso.head_encoder.weight" in changed
    # At step 20 the torso had not been touched by the optimiser.
    assert "torso_networks" in half["optimizers"]
    assert not half["optimizers"]["torso_networks"]["state"]
    assert list(trained.glob("events.*")), "pictures for TensorBoard"


def test_resume_goes_on_in_the_same_stage_and_ends_where_the_first_run_ended(
    capture: Path, trained: Path, tmp_path: Path
):
    train(capture, tmp_path, "--load-dir", trained / "nerfstudio_models", "--load-step", 20)
    resumed = tmp_path / "x" / "geneface" / "run"
    steps = sorted(int(path.stem.split("-")[1]) for path in (resumed / "nerfstudio_models").glob("*.ckpt"))
    assert steps[-1] == 39
    a, b = checkpoint(trained, 39), checkpoint(resumed, 39)
    for group in a["optimizers"]:
        rates = [c["optimizers"][group]["param_groups"][0]["lr"] for c in (a, b)]
        assert rates[0] == pytest.approx(rates[1])
    # The torso's steps begin at 30 in both.
    state = [next(iter(c["optimizers"]["torso_networks"]["state"].values()))["step"].item() for c in (a, b)]
    assert state == [10, 10]


def length(video: Path) -> tuple[int, int]:
    """Frames and width of a video."""
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
    return len(frames), frames[0].width


def test_ns_render_interpolate_and_spiral(trained: Path, tmp_path: Path):
    # interpolate carries no times on nerfstudio 1.1.5.
    run(
        *("ns-render", "interpolate", "--load-config", trained / "config.yml", "--pose-source", "eval"),
        *("--interpolation-steps", 2, "--output-path", tmp_path / "between.mp4"),
    )
    assert length(tmp_path / "between.mp4")[0] >= 2
    run(
        *("ns-render", "spiral", "--load-config", trained / "config.yml", "--seconds", 0.2, "--frame-rate", 25),
        *("--radius", 0.1, "--output-path", tmp_path / "spiral.mp4"),
    )
    assert length(tmp_path / "spiral.mp4")[0] == 5


def write_camera_path(capture: Path, file: Path, **more: object) -> None:
    """A camera path of the viewer along the capture's first four frames; `more` replaces keys."""
    frames = json.loads((capture / "transforms.json").read_text())["frames"]
    path = {
        "camera_type": "perspective",
        "render_height": 48,
        "render_width": 64,
        "seconds": 0.16,
        "camera_path": [
            {
                "camera_to_world": np.array(frame["transform_matrix"]).ravel().tolist(),
                "fov": 20.0,
                "aspect": 4 / 3,
                "render_time": i / 3,
            }
            for i, frame in enumerate(frames[:4])
        ],
    }
    file.write_text(json.dumps(path | more))


def test_ns_render_camera_path_on_a_machine_without_ffmpeg(capture: Path, trained: Path, tmp_path: Path):
    write_camera_path(capture, tmp_path / "path.json")
    run(
        *("ns-render", "camera-path", "--load-config", trained / "config.yml"),
        *("--camera-path-filename", tmp_path / "path.json", "--output-path", tmp_path / "path.mp4"),
        PATH=str(tmp_path),
    )
    assert length(tmp_path / "path.mp4") == (4, 64)


def test_ns_render_and_geneface_render_show_the_same_frames(
    capture: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, shown = tmp_path / "path.json", tmp_path / "shown"
    run("geneface", "camera-path", trained, path, "--seconds", 0.5, "--orbit", 3, 2)
    run(
        *("ns-render", "camera-path", "--load-config", trained / "config.yml", "--camera-path-filename", path),
        *("--output-path", shown.with_suffix(".mp4"), "--output-format", "images", "--image-format", "png"),
    )
    theirs = [read_png(file) for file in sorted(shown.glob("*.png"))]
    assert len(theirs) == 6
    ours: list[np.ndarray] = []
    write = VideoWriter.write
    monkeypatch.setattr(VideoWriter, "write", lambda self, frame: (ours.append(frame), write(self, frame)))
    motion = capture / "landmarks.npz"
    RenderConfig(run=trained, video=tmp_path / "a.mp4", motion=motion, camera_path=path, device="cpu").main()
    for frame, expected in zip(ours, theirs, strict=False):
        np.testing.assert_array_equal(frame, expected)
    assert len(ours) == 33  # of the motion: the camera goes to and fro


def test_ns_render_refuses_what_geneface_cannot_show(capture: Path, trained: Path, tmp_path: Path):
    black, zeros = {"r": 0, "g": 0, "b": 0}, [0.0, 0.0, 0.0]
    box = {"crop_center": zeros, "crop_scale": [1.0, 1.0, 1.0], "crop_rot": zeros, "crop_bg_color": black}
    for more, what in (({"camera_type": "fisheye"}, "perspective cameras only"), ({"crop": box}, "does not crop")):
        write_camera_path(capture, tmp_path / "path.json", **more)
        line = refused(
            *("ns-render", "camera-path", "--load-config", trained / "config.yml"),
            *("--camera-path-filename", tmp_path / "path.json", "--output-path", tmp_path / "path.mp4"),
        )
        assert what in line


def answers(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("more", "is_open"), [((), False), (("--viewer.websocket-host", "0.0.0.0"), True)])
def test_ns_viewer_serves_this_machine_unless_told_otherwise(
    trained: Path, tmp_path: Path, more: tuple[str, ...], is_open: bool
):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [BIN / "ns-viewer", "--load-config", trained / "config.yml", "--viewer.websocket-port", str(port), *more]
    printed = tmp_path / "printed.txt"
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": "1"}
    with (
        printed.open("w") as screen,
        subprocess.Popen(command, env=environment, stdout=screen, stderr=subprocess.STDOUT) as viewer,
    ):

        def wait_until(happens: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 180
            while not happens():
                assert viewer.poll() is None, printed.read_text()[-2000:]
                assert time.monotonic() < deadline, printed.read_text()[-2000:]
                time.sleep(0.5)

        try:
            wait_until(lambda: answers("127.0.0.1", port))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30) as page:
                assert page.status == 200
            # Another address of this machine: who listens on 127.0.0.1 alone does not answer there.
            assert answers("127.0.0.2", port) == is_open
            if not is_open:
                wait_until(lambda: "The viewer answers this machine only" in printed.read_text())
        finally:
            viewer.terminate()


def test_bad_captures_end_training_with_one_line_and_leave_nothing(tmp_path: Path):
    line = refused("ns-train", "geneface", "--data", tmp_path, "--output-dir", tmp_path / "out")
    assert "geneface process" in line
    assert not (tmp_path / "out").exists()


def test_factors_that_suit_no_picture_end_training_with_one_line(capture: Path, tmp_path: Path):
    for factor in (0, 1000):
        line = refused(
            *("ns-train", "geneface", "--data", capture, "--output-dir", tmp_path / "out"),
            *("geneface-data", "--downscale-factor", factor),
        )
        assert f"--downscale-factor {factor} does not suit" in line


def test_other_datasets_end_training_with_one_line(tmp_path: Path):
    line = refused("ns-train", "geneface", "--data", tmp_path, "--output-dir", tmp_path / "out", "nerfstudio-data")
    assert "captures only" in line


def test_a_checkpoint_of_another_size_ends_with_one_line(capture: Path, trained: Path, tmp_path: Path):
    printed = train(
        *(capture, tmp_path, "--load-dir", trained / "nerfstudio_models", "--load-step", 20),
        *("--pipeline.model.head.hidden", 32),
        code=2,
    )
    assert "does not fit" in printed
    assert "Traceback" not in printed
