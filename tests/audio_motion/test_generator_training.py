import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.models.checkpoint import load_generator
from audio_motion.training.generator import GeneratorTraining, fit_generator, train_generator
from audio_motion.training.loop import LoopConfig
from audio_motion.training.recordings import align, hold_out_tail, load_recordings
from tests.audio_motion.conftest import fit
from tests.audio_motion.synthetic_speech import talk, write_wav

FEW = GeneratorTraining(loop=LoopConfig(steps=6, batch=4, rate=2e-3, warm_up=2, validate_every=2, patience=99), crop=16)


def write_capture(folder: Path, seconds: float, fps: float = 25.0, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    sound, motion = talk(seconds, fps, seed)
    motion.save(folder / "landmarks.npz")
    write_wav(folder / "audio.wav", sound)
    train = len(motion) - len(motion) // 11
    frames = [{"time": i / fps, "split": "train" if i < train else "test"} for i in range(len(motion))]
    (folder / "transforms.json").write_text(json.dumps({"schema_version": 1, "frames": frames}))
    return folder


def test_only_the_train_split_is_learnt_from(tmp_path: Path) -> None:
    speaker = load_recordings(write_capture(tmp_path / "anna", 11.0), MEL)[0]
    assert speaker.valid.shape == (248,)  # 275 frames, the last 25 for test, whole latents of 4
    assert speaker.features.shape == (496, 83)
    assert speaker.offsets.mean(dim=0).abs().max() < 1e-5


def test_thirty_frames_a_second_meet_sound_by_time() -> None:
    at_25, at_30 = (align(motion, sound, MEL) for sound, motion in (talk(8.0, 25.0), talk(8.0, 30.0)))
    assert at_30.offsets.shape == at_25.offsets.shape
    lips = (at_30.offsets + torch.from_numpy(at_30.face.mean) - at_25.offsets - torch.from_numpy(at_25.face.mean))[
        :, 66
    ]
    assert lips.abs().max() < 0.01  # of 0.06: linear interpolation, no shift


def test_the_face_is_measured_on_valid_frames() -> None:
    sound, motion = talk(8.0)
    landmarks, valid = motion.landmarks.copy(), motion.valid.copy()
    landmarks[50:60] += 5.0
    valid[50:60] = False
    face = align(replace(motion, landmarks=landmarks, valid=valid), sound, MEL).face
    assert np.abs(face.mean - align(motion, sound, MEL).face.mean).max() < 0.01
    assert face.eyes == pytest.approx([0.3, 0.3])
    assert face.rest[66, 1] > 0.0  # shut: the lower lip is above its mean


def test_mistakes_in_captures_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2 s"):
        load_recordings(write_capture(tmp_path / "short", 2.0), MEL)
    broken = write_capture(tmp_path / "broken", 6.0)
    (broken / "transforms.json").write_text("{")
    with pytest.raises(InputError, match=r"transforms\.json"):
        load_recordings(broken, MEL)
    with pytest.raises(InputError, match="no such file"):
        load_recordings(tmp_path / "nowhere.npz", MEL)
    sound, motion = talk(6.0)
    with pytest.raises(InputError, match="offsets"):
        align(replace(motion, space="offset"), sound, MEL)


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
