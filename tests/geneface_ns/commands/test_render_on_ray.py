"""A folder of speeches on a Ray cluster, by the real command line: killed, begun again, and as on one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.motion.voice import POSTNET_FILE
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.output.options import RenderOptions
from geneface_ns.output.performer import Performer
from geneface_ns.output.request import Request, script_of
from geneface_ns.synthetic import speech_names, speech_track
from geneface_ns.synthetic.clip import write_sound
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained.runs import Source
from tests.geneface_ns.commands.test_cli import fails
from tests.geneface_ns.fakes import write_postnet, write_run
from tests.local_ray import local_ray

SMALL = PortraitConfig(sample_step=0.05, occupancy_resolution=16)
FPS = 12.5
LENGTHS = {"a": 0.48, "b": 0.4, "long": 1.6}
"""Seconds of the speeches: whole frames."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with local_ray() as address:
        yield address


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture and a run of it that has hardly learnt anything, and speeches/."""
    folder = tmp_path_factory.mktemp("ray")
    write_exact_capture(folder / "anna", size=48, frames=22, fps=FPS)
    capture = load_capture(folder / "anna")
    write_run(folder / "run", capture, Portrait(capture, 1, SMALL), SMALL)
    write_postnet(capture.folder / POSTNET_FILE, capture)
    sound = speech_track(speech_names("unseen")[:1], 1).sound
    (folder / "speeches").mkdir()
    for name, seconds in LENGTHS.items():
        write_sound(folder / "speeches" / f"{name}.wav", sound[: round(seconds * 16000)])
    (folder / "speeches" / "damaged.wav").write_bytes(b"RIFF")
    return folder


def render(place: Path, cluster: str) -> subprocess.Popen[str]:
    words = ("render", "run", "speeches", "cluster", "--ray-address", cluster, "--workers", 1)
    command = [sys.executable, "-m", "geneface_ns.commands.cli", *map(str, words)]
    command += ["--generator", str(PRETRAINED_GENERATOR)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True, env=environment)


def frames_of(video: Path) -> np.ndarray:
    with av.open(str(video)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def test_it_goes_on_and_makes_what_one_machine_makes(cluster: str, place: Path) -> None:
    made = place / "cluster"
    first = render(place, cluster)
    while not (made / ".renders.json").is_file():
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = (made / "a.mp4").stat().st_mtime_ns

    again = render(place, cluster)
    _, said = again.communicate()
    assert again.returncode == 0, said
    assert "of 4 videos were done before" in said
    assert "not rendered: damaged.wav: " in said
    assert f"cluster: {len(LENGTHS)} videos" in said
    assert {path.name for path in made.iterdir()} == {".renders.json", *(f"{name}.mp4" for name in LENGTHS)}
    assert (made / "a.mp4").stat().st_mtime_ns == kept

    options = RenderOptions(str(PRETRAINED_GENERATOR), device="cpu")
    performer = Performer(Source(place / "run", None), options)
    for name, seconds in LENGTHS.items():
        request = Request(place / "alone" / f"{name}.mp4", place / "speeches" / f"{name}.wav")
        assert performer.perform(request, script_of(request, options, place / "run")) == np.ceil(seconds * FPS)
        np.testing.assert_array_equal(frames_of(made / f"{name}.mp4"), frames_of(request.output))


def test_no_cluster(place: Path) -> None:
    words = ("render", place / "run", place / "speeches", place / "none", "--generator", PRETRAINED_GENERATOR)
    told = fails(*words, "--ray-address", "127.0.0.1:1")
    assert "no Ray cluster answers at 127.0.0.1:1" in told
    assert not (place / "none").exists()
