"""`ns-train geneface-splat` and what opens its runs, by the real command lines; and which checkpoints it refuses."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.motion.voice import POSTNET_FILE
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.plugin.trainer import GeneFaceTrainerConfig
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.renderers.splat import SplatRenderer
from geneface_ns.splat.portrait import SplatPortrait
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained.checkpoint import FOLDER, read
from geneface_ns.trained.load import load_trained
from method_configs.geneface import geneface
from method_configs.geneface_splat import geneface_splat
from tests.geneface_ns.fakes import write_postnet, write_run

BIN = Path(sys.executable).parent
STEPS = 160
WHOLE = 22.0
"""Decibels on the test frames: 13 without training."""


def run(folder: Path, *words: object, code: int = 0) -> str:
    """Run a command; returns what it printed."""
    program = (
        [sys.executable, "-m", "geneface_ns.commands.cli"] if words[0] == "geneface" else [str(BIN / str(words[0]))]
    )
    done = subprocess.run(
        [*program, *map(str, words[1:])],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "300"},
        stdin=subprocess.DEVNULL,
        cwd=folder,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed[-3000:]
    return printed


def train(place: Path, steps: int, *others: object, name: str = "x", code: int = 0) -> str:
    return run(
        place,
        *("ns-train", "geneface-splat", "--data", "anna", "--experiment-name", name, "--timestamp", "run"),
        *("--vis", "tensorboard", "--max-num-iterations", steps, "--steps-per-eval-image", 0),
        *("--pipeline.model.gaussians", 3000, "--pipeline.datamanager.train-num-rays-per-batch", 1024),
        *others,
        code=code,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the capture lies, and the run that was trained on it."""
    folder = tmp_path_factory.mktemp("splat")
    write_exact_capture(folder / "anna", size=64, frames=33)
    train(folder, STEPS)
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    return place / "outputs" / "x" / "geneface-splat" / "run"


def test_ns_eval_finds_that_it_has_learnt_the_face(place: Path, trained: Path):
    run(Path("/"), "ns-eval", "--load-config", trained / "config.yml", "--output-path", place / "eval.json")
    results = json.loads((place / "eval.json").read_text())["results"]
    assert results["psnr"] > WHOLE
    assert results["psnr_head_over_real"] > WHOLE


def test_geneface_render_takes_its_newest_run(place: Path, trained: Path):
    printed = run(place, "geneface", "render", "anna", "--motion", "anna/landmarks.npz", "--output", "anna.mp4")
    assert f"taking its newest run, {trained.relative_to(place)}" in printed
    with av.open(str(place / "anna.mp4")) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert frames.shape == (33, 64, 64, 3)
    capture = load_capture(place / "anna")
    real = np.stack([read_png(capture.layout.image(index)) for index in range(33)])
    assert -10 * np.log10(np.mean((frames / 255 - real / 255) ** 2)) > WHOLE


def test_a_run_is_opened_without_knowing_which(trained: Path):
    found = load_trained(trained / "config.yml")
    assert isinstance(found.portrait, SplatPortrait)
    assert found.step == STEPS - 1
    assert isinstance(choose_renderer(found.portrait), SplatRenderer)


def test_it_goes_on(place: Path, trained: Path):
    (before,) = (trained / FOLDER).iterdir()
    gaussians = len(read(before)["pipeline"]["_model.portrait.head.means"])
    train(place, STEPS + 5)
    (after,) = (trained / FOLDER).iterdir()
    contents = read(after)
    assert contents["step"] == STEPS + 4
    assert len(contents["pipeline"]["_model.portrait.head.means"]) == gaussians
    # The optimizer went on with its own moments.
    steps = {int(state["step"]) for state in contents["optimizers"]["torso_grids"]["state"].values()}
    assert min(steps) > 5


def test_what_is_no_number_ends_it_in_one_line(place: Path):
    """The rate rises over the first steps: the second begins with colours that the first has thrown far away."""
    printed = train(place, 40, "--optimizers.colors.optimizer.lr", 1e30, name="nan", code=2)
    assert "Traceback" not in printed
    (said,) = (line for line in printed.splitlines() if line.startswith("error: "))
    assert "loss term 'rgb' is inf at step 1; checkpoints of before are kept" in said


def config(specification: object, output: Path, capture: Path, **changes: object) -> GeneFaceTrainerConfig:
    made = copy.deepcopy(specification.config)  # type: ignore[attr-defined]
    given = {"output_dir": output, "experiment_name": "y", "timestamp": "run"}
    for name, value in (given | changes).items():
        setattr(made, name, value)
    made.pipeline.datamanager.data = capture
    made.machine.device_type = "cpu"
    return made


def test_neither_method_takes_the_others_checkpoint(place: Path, trained: Path, tmp_path: Path):
    capture = load_capture(place / "anna")
    sizes = PortraitConfig(occupancy_resolution=8)
    other = write_run(tmp_path / "nerf", capture, Portrait(capture, 1, sizes), sizes)
    for specification, models, of, wanted in (
        (geneface, trained / FOLDER, "geneface-splat", "geneface"),
        (geneface_splat, other / FOLDER, "geneface", "geneface-splat"),
    ):
        asked = config(specification, tmp_path / "outputs", place / "anna", load_dir=models)
        with pytest.raises(InputError, match=rf"\.ckpt: of the method {of}, not of {wanted}; go on with") as refused:
            asked.save_config()
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "outputs").exists()


def test_it_trains_on_the_cpu_alone(place: Path, tmp_path: Path):
    asked = config(geneface_splat, tmp_path, place / "anna")
    asked.machine.device_type = "cuda"
    with pytest.raises(InputError, match="geneface-splat trains on the CPU, in one process"):
        asked.save_config()
    with pytest.raises(InputError, match="--device cuda: geneface-splat runs on the CPU"):
        load_trained(place / "outputs" / "x" / "geneface-splat" / "run", device="cuda")


def test_it_becomes_a_page_and_a_ply(place: Path, trained: Path):
    write_postnet(place / "anna" / POSTNET_FILE, load_capture(place / "anna"))
    printed = run(place, "geneface", "page", "anna", "anna/audio.wav", "anna.html", "--name", "Anna the first")
    assert "anna.html: 33 frames" in printed
    assert "<title>Anna the first (synthetic)</title>" in (place / "anna.html").read_text()
    assert "Gaussians" in run(place, "geneface", "export", "anna", "anna.ply")
    assert (place / "anna.ply").read_bytes().startswith(b"ply\nformat binary_little_endian 1.0\n")
    refused = run(place, "geneface", "page", "anna", "anna/audio.wav", "anna.mp4", code=2)
    assert "give the page a name that ends in .html" in refused
