import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from audio_motion.data.recording import align
from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.models.checkpoint import TrainedGenerator, load_postnet, save_generator, save_postnet
from audio_motion.models.postnet import DiscriminatorConfig, PostNet, PostNetConfig
from audio_motion.models.syncnet import SyncConfig, SyncExpert
from audio_motion.training import postnet
from audio_motion.training.generated import PairedCropSampler, generate_motion
from audio_motion.training.loop import LoopConfig
from audio_motion.training.postnet import PostNetTraining, fit_postnet, train_postnet
from audio_motion.training.syncnet import SyncTraining, fit_syncnet
from tests.audio_motion.synthetic_speech import write_wav
from tests.audio_motion.training.postnet_person import other_speech, wry_recordings, wry_talk

SMALL = {
    "model": PostNetConfig(hidden=48),
    "discriminator": DiscriminatorConfig(hidden=16, windows=(8, 32)),
    "samples": 2,
}
QUICK = PostNetTraining(
    loop=LoopConfig(steps=200, batch_size=8, learning_rate=2e-3, warm_up=10, validate_every=40), crop=48, **SMALL
)
FEW = replace(
    QUICK, loop=LoopConfig(steps=6, batch_size=2, learning_rate=1e-3, warm_up=2, validate_every=2, patience=99), crop=32
)  # fmt: skip


@pytest.fixture(scope="module")
def expert() -> SyncExpert:
    config = SyncTraining(
        model=SyncConfig(hidden=32, layers=1),
        loop=LoopConfig(steps=60, batch_size=8, learning_rate=4e-3, warm_up=10, validate_every=30),
    )
    sound, motion = wry_talk(12.0, seed=10)
    recordings = [*other_speech(), align(motion, sound, MEL)]  # an expert has seen people of many kinds
    return fit_syncnet(recordings, recordings, MEL, config).model


def test_the_person_is_approached_and_sync_kept(trained: TrainedGenerator, expert: SyncExpert) -> None:
    made = fit_postnet(*wry_recordings(), other_speech(), trained, QUICK, expert)
    before, after = made.training["before"], made.training["after"]
    assert after["distance"] < 0.5 * before["distance"]
    assert after["sync"] > before["sync"] - 0.05
    assert after["over_time"] == pytest.approx(1.0, abs=0.3)
    assert after["between"] == pytest.approx(1.0, abs=0.3)
    assert not made.training["collapsed"]
    assert made.face.person == "wry"
    assert made.generator_sha256 == trained.sha256


def test_training_is_the_same_every_time_and_other_with_another_seed(trained: TrainedGenerator) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    other = replace(FEW, loop=replace(FEW.loop, seed=1))
    first, second, third = (
        fit_postnet(*wry_recordings(), [], trained, config).model.state_dict() for config in (FEW, FEW, other)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["enter.weight"], third["enter.weight"])
    assert torch.equal(torch.random.get_rng_state(), before)


def write_capture(folder: Path) -> Path:
    folder.mkdir()
    sound, motion = wry_talk(8.0)
    motion.save(folder / "landmarks.npz")
    write_wav(folder / "audio.wav", sound)
    frames = [{"time": i / motion.fps, "split": "train"} for i in range(len(motion))]
    (folder / "transforms.json").write_text(json.dumps({"schema_version": 1, "frames": frames}))
    return folder


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path, checkpoint: Path) -> None:
    capture = write_capture(tmp_path / "wry")

    def train(name: str, progress=None) -> Path:  # type: ignore[no-untyped-def]
        output = tmp_path / f"{name}.safetensors"
        return train_postnet([capture], [], checkpoint, None, output, FEW, progress)

    def interrupt(done: int, planned: int, figures: dict[str, float]) -> None:
        if done == 5:
            raise KeyboardInterrupt

    steps: list[int] = []
    whole = load_file(train("whole"))
    with pytest.raises(KeyboardInterrupt):
        train("parts", interrupt)
    assert not (tmp_path / "parts.safetensors").exists()
    parts = load_file(train("parts", lambda done, *_: steps.append(done)))
    assert steps == [5, 6]  # the last saved state was of step 4
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not list(tmp_path.glob("*.state"))
    assert load_postnet(tmp_path / "parts.safetensors").training["steps"] == 6


class _Collapsing(PostNet):
    """Makes one and the same motion from anything, once it has been trained for some steps."""

    steps = 0

    def forward(self, motion: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        refined = super().forward(motion)
        return refined if self.steps <= 3 else 0.05 * refined


def test_collapse_ends_training_and_leaves_the_best_state_before(
    trained: TrainedGenerator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(postnet, "PostNet", _Collapsing)
    steps: list[int] = []
    config = replace(FEW, loop=replace(FEW.loop, steps=20))
    made = fit_postnet(*wry_recordings(), [], trained, config, None, lambda done, *_: steps.append(done))
    assert steps == [1, 2, 3, 4]  # step 2 was looked at and was well
    assert made.training["collapsed"]
    assert sum("motion collapses" in record.message for record in caplog.records) == 1


def test_without_a_better_state_the_motion_stays_as_it_was(trained: TrainedGenerator) -> None:
    wild = replace(FEW, loop=replace(FEW.loop, learning_rate=0.5, warm_up=1, steps=4), collapse=0.0)
    made = fit_postnet(*wry_recordings(), [], trained, wild)
    motion = torch.randn(1, 204, 30)
    torch.testing.assert_close(made.model(motion), motion, rtol=0, atol=0)
    assert made.training["after"] == made.training["before"]


def test_samples_are_what_the_generator_says_in_use(trained: TrainedGenerator) -> None:
    recordings, _ = wry_recordings()
    loud, soft = (
        generate_motion(replace(trained, amplitude=a), recordings, 2, 0.3, seed=1)[0].samples for a in (2.0, 1.0)
    )
    nose, lower, upper = slice(3 * 27, 3 * 36), 3 * 66 + 1, 3 * 62 + 1

    def gap(made: torch.Tensor) -> torch.Tensor:
        return made[..., [upper - 3, upper, upper + 3]].mean(dim=-1) - made[..., [lower + 3, lower, lower - 3]].mean(-1)

    torch.testing.assert_close(gap(loud), 2 * gap(soft), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(loud[..., nose], soft[..., nose])
    assert (soft[0] - soft[1]).abs().max() > 1e-3
    rngs = [np.random.default_rng(row) for row in range(3)]
    pieces = PairedCropSampler(generate_motion(trained, recordings, 2, 0.3, seed=1), 40).draw(rngs)
    assert pieces.made.shape == pieces.truth.shape == (3, 204, 40)
    assert pieces.features.shape == (3, 83, 80)
    assert pieces.inside.all()
    assert np.abs(pieces.truth[:, 3 * 8 + 1].numpy()).max() > 0.5  # the chin moves


def test_a_post_net_of_another_generator_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    from audio_motion.models.checkpoint import load_generator
    from audio_motion.predict import Generator

    trained = load_generator(checkpoint)
    save_postnet(tmp_path / "p.safetensors", fit_postnet(*wry_recordings(), [], trained, FEW))
    assert Generator.load(checkpoint, postnet=tmp_path / "p.safetensors").face.person == "wry"
    with torch.no_grad():
        trained.model.leave.bias += 1.0
    save_generator(tmp_path / "other.safetensors", trained)
    with pytest.raises(InputError, match="made for another generator"):
        Generator.load(tmp_path / "other.safetensors", postnet=tmp_path / "p.safetensors")
    with pytest.raises(InputError, match="not a postnet checkpoint"):
        Generator.load(checkpoint, postnet=checkpoint)
