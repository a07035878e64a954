"""Which checkpoint a run goes on from, and when there is nothing to go on with."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import yaml
from nerfstudio.engine.trainer import TrainerConfig

from audio_motion.errors import InputError
from audio_motion.files import held_alone
from geneface_ns.plugin.trainer import GeneFaceTrainer, GeneFaceTrainerConfig
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained.checkpoint import FOLDER, write
from geneface_ns.trained.methods import METHOD, METHODS
from method_configs.geneface import geneface
from tests.geneface_ns.fakes import make_capture


def config(output: Path, **changes: object) -> GeneFaceTrainerConfig:
    made = copy.deepcopy(geneface.config)
    assert isinstance(made, GeneFaceTrainerConfig)
    given: dict[str, object] = {"output_dir": output, "experiment_name": "x", "timestamp": "run"}
    for name, value in (given | {"max_num_iterations": 40} | changes).items():
        setattr(made, name, value)
    return made


def checkpoint(folder: Path, step: int) -> Path:
    path = folder / f"step-{step:09d}.ckpt"
    write(path, {"step": step, "pipeline": {}, METHOD: {"format": METHODS[METHOD].format}})
    return path


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "x" / "geneface" / "run" / FOLDER


@pytest.mark.parametrize("how", ["same command", "load_dir", "load_checkpoint", "load_step", "load_config"])
@pytest.mark.parametrize("timestamp", ["run", "another"])
def test_a_finished_run_says_so_and_changes_nothing(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], how: str, timestamp: str
) -> None:
    last = checkpoint(models, 39)
    config(tmp_path).write_config()
    before = contents(tmp_path)
    given: dict[str, dict[str, object]] = {
        "load_dir": {"load_dir": models},
        "load_checkpoint": {"load_checkpoint": last},
        "load_step": {"load_dir": models, "load_step": 39},
    }
    if how == "load_config":
        again = yaml.load((models.parent / "config.yml").read_text(), yaml.Loader)
    elif how == "same command" and timestamp == "another":
        pytest.skip("a new run")
    else:
        again = config(tmp_path, timestamp=timestamp, **given.get(how, {}))
    with pytest.raises(SystemExit) as ended:
        again.save_config()
    assert ended.value.code == 0
    assert "is finished: all 40 steps are done" in " ".join(capsys.readouterr().out.split())
    assert contents(tmp_path) == before


def test_asking_for_more_goes_on(tmp_path: Path, models: Path) -> None:
    last = checkpoint(models, 39)
    capture = make_capture(tmp_path / "capture")
    for more in (config(tmp_path, max_num_iterations=41), config(tmp_path, timestamp="b", load_dir=models)):
        more.max_num_iterations = 41
        more.pipeline.datamanager.data = capture
        more.save_config()
        assert more.resumed_from() == last


def test_the_furthest_that_can_be_read(tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = tmp_path / "any name"
    assert config(tmp_path).resumed_from() is None
    given = checkpoint(other, 10)
    assert config(tmp_path, load_dir=other).resumed_from() == given
    own = checkpoint(models, 20)
    # The same command again after a kill: its own steps are not done a second time, nor lost.
    assert config(tmp_path, load_dir=other).resumed_from() == own
    assert config(tmp_path, load_checkpoint=given).resumed_from() == own
    damaged = checkpoint(models, 30)
    damaged.write_bytes(damaged.read_bytes()[:500])
    assert config(tmp_path).resumed_from() == own
    assert "step-000000030.ckpt: damaged checkpoint" in caplog.text
    renamed = checkpoint(other, 25).rename(other / "anna.ckpt")
    assert config(tmp_path, load_checkpoint=renamed).resumed_from() == renamed


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"step-\*.ckpt: no such checkpoint"):
        config(tmp_path, load_dir=tmp_path / "absent").save_config()
    with pytest.raises(InputError, match=r"step-000000007\.ckpt: no such checkpoint"):
        config(tmp_path, load_dir=tmp_path, load_step=7).save_config()
    with pytest.raises(InputError, match=r"a\.ckpt: no such checkpoint"):
        config(tmp_path, load_checkpoint=tmp_path / "a.ckpt").save_config()
    assert list(tmp_path.iterdir()) == []


def test_config_stands_for_itself_and_is_found_from_anywhere(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = checkpoint(models.parent / "other", 10)
    make_capture(tmp_path / "anna")
    monkeypatch.chdir(tmp_path)
    begun = config(Path("."), load_dir=given.parent, load_step=10, data=Path("anna"))
    begun.pipeline.datamanager.data = Path("anna")
    begun.save_config()
    begun.write_config()
    monkeypatch.chdir("/")
    # nerfstudio's commands look for the step 10 that was loaded, in the run's own folder.
    saved = yaml.load((models.parent / "config.yml").read_text(), yaml.Loader)
    assert isinstance(saved, TrainerConfig)
    assert (saved.load_dir, saved.load_step) == (None, None)
    assert saved.get_checkpoint_dir() == models
    assert saved.pipeline.datamanager.data == saved.data == tmp_path / "anna"
    assert begun.resumed_from() == given


def of_twenty_steps(folder: Path, **options: object) -> GeneFaceTrainer:
    """A trainer that is about to begin."""
    write_exact_capture(folder / "anna", size=32, frames=22)
    wanted = config(folder / "outputs", max_num_iterations=20, vis="tensorboard", **options)
    wanted.pipeline.datamanager.data = folder / "anna"
    wanted.machine.device_type = "cpu"
    wanted.save_config()
    trainer = GeneFaceTrainer(wanted)
    trainer.setup()
    return trainer


def test_stopped_in_the_viewer_it_keeps_the_last_step_that_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nerfstudio saves under the number of the step that it would have trained next, which a resumed run then lacks."""
    trainer = of_twenty_steps(tmp_path)
    trained = trainer.train_iteration

    def stop_after_the_sixth(step: int) -> object:
        trainer.stop_training = step == 5
        return trained(step)

    monkeypatch.setattr(trainer, "train_iteration", stop_after_the_sixth)
    trainer.train()
    assert [path.name for path in trainer.checkpoint_dir.glob("*.ckpt")] == ["step-000000005.ckpt"]


def test_weights_that_are_no_numbers_replace_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = of_twenty_steps(tmp_path, steps_per_save=3)
    trained = trainer.train_iteration

    def spoilt_in_the_seventh(step: int) -> object:
        outputs = trained(step)
        if step == 6:
            next(trainer.pipeline.model.portrait.torso.parameters()).data[0] = torch.nan
        return outputs

    monkeypatch.setattr(trainer, "train_iteration", spoilt_in_the_seventh)
    with pytest.raises(InputError, match=r"portrait\.torso\.\S+ is not finite after step 6; checkpoints of before"):
        trainer.train()
    assert [path.name for path in trainer.checkpoint_dir.glob("*.ckpt")] == ["step-000000003.ckpt"]


def test_two_trainings_of_one_run_at_once_are_refused(tmp_path: Path, models: Path) -> None:
    trainer = GeneFaceTrainer(config(tmp_path))
    with held_alone(models.parent, "ns-train"), pytest.raises(InputError, match="another ns-train is writing there"):
        trainer.train()
