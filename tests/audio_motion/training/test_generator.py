import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from audio_motion.data.recording import align, hold_out_tail
from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.models.checkpoint import load_generator
from audio_motion.training.generator import GeneratorTraining, fit_generator, train_generator
from audio_motion.training.loop import LoopConfig
from tests.audio_motion.conftest import fit
from tests.audio_motion.data.captures import write_capture
from tests.audio_motion.synthetic_speech import talk

FEW = GeneratorTraining(
    loop=LoopConfig(steps=6, batch_size=4, learning_rate=2e-3, warm_up=2, validate_every=2, patience=99), crop=16
)


def test_training_is_the_same_every_time_and_leaves_the_global_random_state_alone() -> None:
    sound, motion = talk(6.0)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, other = (
        fit(motion, sound, config).model.state_dict()
        for config in (FEW, FEW, replace(FEW, loop=replace(FEW.loop, seed=1)))
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["leave.weight"], other["leave.weight"])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    captures = [write_capture(tmp_path / "a", 7.0), write_capture(tmp_path / "b", 6.0, 30.0, seed=1)]
    train_generator(captures, tmp_path / "whole.safetensors", FEW)

    def interrupt(done: int, planned: int, figures: dict[str, float]) -> None:
        steps.append(done)
        if done == 5:
            raise KeyboardInterrupt

    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        train_generator(captures, tmp_path / "parts.safetensors", FEW, interrupt)
    assert not (tmp_path / "parts.safetensors").exists()
    train_generator(captures, tmp_path / "parts.safetensors", FEW, lambda done, planned, figures: steps.append(done))
    assert steps == [1, 2, 3, 4, 5, 5, 6]  # the last look, and with it the last saved state, was at step 4
    whole, parts = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert sorted(path.name for path in tmp_path.glob("*.s*") if path.is_file()) == [
        "parts.safetensors",
        "whole.safetensors",
    ]


def test_a_state_of_other_data_is_not_used(tmp_path: Path) -> None:
    sound, motion = talk(6.0)
    state = tmp_path / "x.state"
    early, late = hold_out_tail(align(motion, sound, MEL))
    fit_generator([early], [late], MEL, FEW, state=state)
    steps: list[int] = []
    other, _ = hold_out_tail(align(motion, 0.5 * sound, MEL))
    fit_generator([other], [late], MEL, FEW, progress=lambda done, *_: steps.append(done), state=state)
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_loss_that_is_no_number_names_step_and_term() -> None:
    sound, motion = talk(6.0)
    early, late = hold_out_tail(align(motion, sound, MEL))
    early.features[100] = torch.nan
    with pytest.raises(FloatingPointError, match=r"step \d+: the \w+ loss is nan"):
        fit_generator([early], [late], MEL, replace(FEW, crop=64))


def test_checkpoint_comes_back_whole_and_every_defect_is_one_line(tmp_path: Path, checkpoint: Path) -> None:
    trained = load_generator(checkpoint)
    assert trained.face.person == "synthetic"
    assert trained.training["seconds"] == 36.0
    assert len(trained.sha256) == 64
    with safe_open(checkpoint, "pt") as file:
        info = json.loads(file.metadata()["info"])
    tensors = load_file(checkpoint)

    def with_info(name: str, **changes: object) -> Path:
        save_file(tensors, tmp_path / name, {"info": json.dumps(info | changes)})
        return tmp_path / name

    (tmp_path / "cut.safetensors").write_bytes(checkpoint.read_bytes()[:-1000])
    (tmp_path / "words.safetensors").write_text("words")
    changed = bytearray(checkpoint.read_bytes())
    changed[-5] ^= 1
    (tmp_path / "changed.safetensors").write_bytes(bytes(changed))
    defects = {
        tmp_path / "absent.safetensors": "no such file",
        tmp_path / "cut.safetensors": "not a whole generator",
        tmp_path / "words.safetensors": "not a whole generator",
        tmp_path / "changed.safetensors": "checksum",
        with_info("schema.safetensors", schema_version=99): "schema version 99, expected 3",
        with_info("features.safetensors", features="hubert"): "made for the speech features hubert",
        with_info("kind.safetensors", kind="something else"): "not a generator checkpoint",
        with_info("config.safetensors", config=info["config"] | {"hidden": 8}): "not a whole generator",
    }
    for path, problem in defects.items():
        with pytest.raises(InputError, match=problem) as error:
            load_generator(path)
        assert "\n" not in str(error.value)
