"""The command line of `ns-train geneface`: what it offers does something."""

import copy
import dataclasses
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from nerfstudio.engine.callbacks import TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.engine.optimizers import Optimizers

from audio_motion.errors import InputError
from geneface_ns.plugin.datamanager import CaptureDataset
from geneface_ns.plugin.method import geneface
from geneface_ns.synthetic.exact_capture import write_exact_capture

DEAD = (
    *("prompt", "relative-model-dir"),
    *("datamanager.masks-on-gpu", "datamanager.images-on-gpu", "datamanager.camera-res-scale-factor"),
    *(
        "datamanager.patch-size",
        "datamanager.pixel-sampler",
        "datamanager.head-steps",
        "datamanager.eval-image-indices",
    ),
    *("datamanager.train-num-images-to-sample-from", "datamanager.train-num-times-to-repeat-images"),
    *("datamanager.eval-num-images-to-sample-from", "datamanager.eval-num-times-to-repeat-images"),
    *("datamanager.eval-num-rays-per-batch", "datamanager.eval-image-indices"),
    *("model.enable-collider", "model.collider-params", "model.loss-coefficients", "model.head-steps", "model.prompt"),
    *("scheduler.start-step", "scheduler.end-step"),
)
"""nerfstudio's and the trainer's own, that nobody may set."""


def flags(text: str) -> set[str]:
    """The options that a help text lists."""
    return set(re.findall(r"^│ --([a-z0-9.-]+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def offered() -> set[str]:
    command = Path(sys.executable).with_name("ns-train")
    done = subprocess.run([command, "geneface", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    # One line, and its source line, that torch says before any plugin is loaded.
    others = [line for line in done.stderr.splitlines() if "torch.jit.script" not in line and line[:2] != "  "]
    assert not others, done.stderr
    return flags(done.stdout)


def test_dead_options_are_not_offered(offered: set[str]):
    assert {"head-fraction", "pipeline.model.head.hidden", "optimizers.head-grids.scheduler.warm-up"} <= offered
    for name in DEAD:
        found = [flag for flag in offered if flag == name or f".{name}" in f".{flag}"]
        assert not found, found


class Reads:
    """Counts which fields of config classes are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, config: Any) -> None:
        self.names: dict[type, set[str]] = defaultdict(set)
        self.watch(monkeypatch, config)

    def watch(self, monkeypatch: pytest.MonkeyPatch, config: Any) -> None:
        kind, names = type(config), self.names

        def read(instance: Any, name: str) -> Any:
            names[kind].add(name)
            return object.__getattribute__(instance, name)

        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if dataclasses.is_dataclass(value) and type(value).__module__.startswith("geneface_ns"):
                self.watch(monkeypatch, value)
        monkeypatch.setattr(kind, "__getattribute__", read)


def test_every_option_of_model_and_datamanager_is_read_in_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: set[str]
):
    write_exact_capture(tmp_path / "capture", frames=11)
    config = copy.deepcopy(geneface.config)
    datamanager, model = config.pipeline.datamanager, config.pipeline.model
    datamanager.data = tmp_path / "capture"
    model.coarse_steps, model.head_steps, datamanager.head_steps = 1, 17, 17
    reads = Reads(monkeypatch, datamanager)
    reads.watch(monkeypatch, model)

    pipeline = config.pipeline.setup(device="cpu")
    callbacks = pipeline.get_training_callbacks(
        TrainingCallbackAttributes(Optimizers(config.optimizers, pipeline.get_param_groups()), None, pipeline, None)  # type: ignore[arg-type]
    )
    pipeline.train()
    for step in (0, 16, 17):  # coarse; the head's last, after which empty cells are dropped; the torso's first
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
        pipeline.get_train_loss_dict(step)
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.AFTER_TRAIN_ITERATION)
    pipeline.get_eval_image_metrics_and_images(step=0)

    for config_of, prefix in (
        (datamanager, "pipeline.datamanager."),
        (model, "pipeline.model."),
        (model.head, "pipeline.model.head."),
        (model.torso, "pipeline.model.torso."),
    ):
        own = {flag[len(prefix) :].replace("-", "_") for flag in offered if flag.startswith(prefix)}
        unread = {name for name in own if "." not in name} - reads.names[type(config_of)]
        assert not unread, f"{prefix}: offered, and nothing reads them"


def test_a_saved_run_that_rescales_cameras_is_refused(tmp_path: Path):
    write_exact_capture(tmp_path / "capture", frames=11)
    parser = geneface.config.pipeline.datamanager.dataparser
    outputs = dataclasses.replace(parser, data=tmp_path / "capture").setup().get_dataparser_outputs("train")
    with pytest.raises(InputError, match="geneface-data --downscale-factor"):
        CaptureDataset(outputs, 0.5)
    assert torch.is_tensor(CaptureDataset(outputs)[0]["image"])
