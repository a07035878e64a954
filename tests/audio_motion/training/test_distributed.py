"""Training by several processes: the real command, two CPU processes under gloo."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from audio_motion.training.distributed import launch, require_finite
from tests.audio_motion.data.captures import write_capture

SCRIPT = """
import sys
from pathlib import Path
from audio_motion.models.generator import GeneratorConfig
from audio_motion.training.generator import GeneratorTraining, train_generator
from audio_motion.training.loop import LoopConfig
devices, capture, output = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
loop = LoopConfig(steps=4, batch_size=8, learning_rate=1e-3, warm_up=1, validate_every=2, devices=devices)
config = GeneratorTraining(model=GeneratorConfig(dropout=0.0), loop=loop, crop=16)
train_generator([capture], output, config)
"""


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    capture = write_capture(tmp_path / "anna", 6.0)
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    for devices in (1, 2):
        output = tmp_path / f"{devices}.safetensors"
        command = [sys.executable, str(script), str(devices), str(capture), str(output)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (load_file(tmp_path / f"{devices}.safetensors") for devices in (1, 2))
    difference = max((one[name] - two[name]).abs().max().item() for name in one)
    assert difference < 1e-5
    assert sorted(path.name for path in tmp_path.glob("*.state")) == []


def test_the_batch_is_shared_out_whole() -> None:
    distributed = launch("cpu", 1)
    assert torch.equal(distributed.rows(torch.arange(6)), torch.arange(6))
    assert distributed.mean({"a": 2.0}) == {"a": 2.0}
    own = [rng.random() for rng in distributed.row_generators(3, 7, 4)]
    assert own == [np.random.default_rng([3, 7, row]).random() for row in range(4)]
    with pytest.raises(FloatingPointError, match="step 3: the error loss is nan"):
        require_finite([("error", torch.tensor(float("nan")))], 3)


def test_devices_that_are_not_there_and_batches_that_cannot_be_shared_are_one_line(tmp_path: Path) -> None:
    capture = write_capture(tmp_path / "anna", 6.0)
    for options, problem in ((["--device", "cuda", "--devices", "9"], "torch sees"),):
        command = [sys.executable, "-m", "audio_motion.cli", "train", "generator", str(capture), *options]
        done = subprocess.run(
            [*command, "--output", str(tmp_path / "out.safetensors")], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 2, done.stderr[-2000:]
        assert problem in done.stderr
        assert "Traceback" not in done.stderr
