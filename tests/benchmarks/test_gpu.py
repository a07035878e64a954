"""`benchmarks/gpu.py` on the CPU, and that the core it trains needs none of what a bare machine lacks."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.device_agreement import Agreement, agreement
from benchmarks.timed_training import HeldOut, covered, held_out_frames, start, train
from geneface_ns.nerf.draws import draw
from geneface_ns.synthetic.exact_capture import write_exact_capture

ROOT = Path(__file__).parents[2]
PRESENT = ("torch", "numpy", "scipy", "numba", "safetensors", "cv2")
"""All that a bare machine has besides Python."""
THEIRS = ("torchgen", "functorch", "triton", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe",
          "filelock", "fsspec", "packaging", "setuptools", "pkg_resources", "nvidia", "llvmlite", "nvtx")  # fmt: skip
"""What those bring."""
OURS = ("audio_motion", "geneface_ns", "benchmarks", "machine")
BARE = f"""
import sys

KNOWN = sys.stdlib_module_names | {set((*PRESENT, *THEIRS, *OURS))}

class Bare:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hidden = "." not in name and not name.startswith("_") and name not in KNOWN
        return None if hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Bare, sys.meta_path)
"""


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu") / "capture"
    write_exact_capture(folder, size=32, frames=11)
    return folder


def test_the_whole_benchmark_on_a_bare_machine(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BARE)
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py", capture, "--device", "cpu", "--seconds", "4", "--sizes", "32"],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    for pattern in (
        r"commit \w+",
        r"10 frames to learn from at 32x32",
        r"step +\d+  held-out PSNR [\d.]+ dB head over the real torso, [\d.]+ dB all rendered",
        r"head : \d+ steps, [\d.]+ steps/s; [\d.]+ ms a step",
        r"torso: \d+ steps",
        r"reference renderer at 32x32: [\d.]+ frames/s",
        r"peak memory: host \d+ MiB",
        r"gradient of torso_networks off by 0.0e\+00",
    ):
        assert re.search(pattern, done.stdout), (pattern, done.stdout)


def test_not_a_capture_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py", tmp_path], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_both_stages_learn_in_the_given_time(capture: Path) -> None:
    run = start(capture, 1, torch.device("cpu"))
    before = copy.deepcopy(run.portrait.state_dict())
    seen: list[HeldOut] = []
    head, torso = train(run, 6.0, seen.append)
    assert (head.name, torso.name) == ("head", "torso")
    assert head.steps + torso.steps == run.step
    assert head.seconds >= 4.5
    assert head.drawing < head.seconds
    assert seen[-1].step == run.step
    assert seen[-1].seconds == pytest.approx(head.seconds + torso.seconds)
    after = run.portrait.state_dict()
    for part in ("head.planes.0", "torso."):
        assert any(not torch.equal(before[n], after[n]) for n in before if n.startswith(part)), part
    assert seen[-1].rendered > seen[0].rendered


def test_agreement_notices_a_difference(capture: Path) -> None:
    run = start(capture, 1, torch.device("cpu"))
    rays, truth = draw(run.source, run.frames, 0, True, run.config)
    portrait, other = run.portrait.eval(), copy.deepcopy(run.portrait).eval()
    time = float(run.store.capture.times[held_out_frames(run)[0]])
    same = agreement(portrait, other, rays, truth, time)
    assert same.is_good()
    assert set(same.gradients) == {"head_grids", "head_networks", "torso_grids", "torso_networks"}
    assert max(same.gradients.values()) == 0
    with torch.no_grad():
        portrait.head.rest[-1].bias[0] += 0.1
    changed = agreement(portrait, other, rays, truth, time)
    assert not changed.is_good()
    assert changed.gradients["head_networks"] > 0.01
    assert not Agreement(float("nan"), {}).is_good()
    assert not Agreement(100.0, {"head_grids": float("nan")}).is_good()


def test_covered_time() -> None:
    assert covered([]) == 0
    assert covered([(4, 5), (0, 2), (1, 3), (1.5, 1.6)]) == pytest.approx(4)
