"""The real command on the synthetic talker."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audio_motion.data.recording import Recording
from audio_motion.data.sources import load_recordings
from audio_motion.errors import InputError
from audio_motion.evaluation import evaluate as evaluate_module
from audio_motion.evaluation.evaluate import evaluate
from audio_motion.features.acoustic import MEL
from audio_motion.lag import Lag
from audio_motion.models.checkpoint import TrainedSyncExpert, save_syncnet
from audio_motion.models.syncnet import SyncConfig, SyncExpert
from tests.audio_motion.data.captures import write_capture
from tests.audio_motion.synthetic_speech import talk, write_wav

CHAIN = ["generator", "generator, as used"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "audio_motion.cli", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_table_a_file_and_a_picture(tmp_path: Path, checkpoint: Path) -> None:
    unheard = write_capture(tmp_path / "unheard", 8.0, seed=4)
    known = write_capture(tmp_path / "known", 8.0, seed=5)
    phones = [["pau", 0.0, 0.5], ["b", 0.8, 0.9], ["a", 0.9, 2.0], ["m", 2.4, 2.5]]
    (unheard / "audio.json").write_text(json.dumps({"phones": phones}))
    done = run(
        checkpoint,
        "--on",
        unheard,
        "--learn-from",
        known,
        "--speech",
        unheard / "audio.wav",
        "--split",
        "all",
        "--output",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    models = report["models"]
    assert set(models) == {"mean face", "ridge regression", "nearest neighbour", "generator"}
    assert models["generator"]["opening_correlation"] > 0.5 > models["mean face"]["opening_correlation"]
    assert models["mean face"]["mouth_error"] == 1.0
    natural = report["natural"]
    assert list(natural) == ["filmed", "mean face", "ridge regression", "nearest neighbour", *CHAIN]
    assert natural["mean face"]["lip_dynamics"] == pytest.approx(0.0, abs=1e-3)
    assert natural["mean face"]["lip_sync"] is None  # a mouth that stays follows nothing
    assert natural["filmed"]["head_motion"] is None  # nobody knows the head here
    assert natural["filmed"]["brow_dynamics"] == pytest.approx(0.0, abs=1e-6)  # the talker's stay
    for name in CHAIN:
        assert 0.5 < natural[name]["lip_dynamics"] <= 1.0
        assert natural[name]["seeds"] >= 0.0
    assert 0.5 < report["speech"]["audio.wav"]["generator"]["seconds"] < 9.0
    assert report["speech"]["audio.wav"]["generator"]["bilabials_shut"] in (0.0, 0.5, 1.0)
    assert (tmp_path / "out" / "evaluation.png").stat().st_size > 10_000


def test_two_sources_of_one_name_keep_their_own_liveliness(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Names default to those of files: two videos called talk.mp4 show two people as a rule.
    paths = [write_capture(tmp_path / str(seed), 8.0, seed=seed) for seed in (4, 5)]
    own = [r.face.scale for path in paths for r in load_recordings(path, MEL, "held-out")]
    assert own[0] != pytest.approx(own[1], rel=1e-3)
    seen: list[float] = []

    def measured(recording: Recording, *_: object) -> None:
        seen.append(recording.face.scale)
        if len(seen) < 2:
            return
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_module, "measure", measured)
    with pytest.raises(KeyboardInterrupt):
        evaluate_module.evaluate([checkpoint], paths, [], [], "held-out", None, None, tmp_path / "out")
    assert seen == own


def test_nothing_to_measure_on_is_one_line(checkpoint: Path) -> None:
    done = run(checkpoint)
    assert done.returncode == 2
    assert "--on" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_tell_checkpoints_and_sounds_of_one_file_name_apart() -> None:
    paths = [Path("/a/run1/generator.safetensors"), Path("/a/run2/generator.safetensors"), Path("/b/other.safetensors")]
    assert list(evaluate_module.named(paths, stem=True)) == ["run1/generator", "run2/generator", "other"]
    assert list(evaluate_module.named([Path("/x/de/a.wav"), Path("/x/fr/a.wav"), Path("/x/fr/a.wav")])) == [
        "de/a.wav",
        "fr/a.wav",
    ]


def test_sounds_are_judged_by_the_expert_that_is_named(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expert = tmp_path / "mine.safetensors"
    save_syncnet(expert, TrainedSyncExpert(SyncExpert(SyncConfig(hidden=8, layers=1)).eval(), {}, MEL))
    sound, _ = talk(3.0)
    write_wav(tmp_path / "s.wav", sound)
    judges: list[TrainedSyncExpert | None] = []

    def noted(samples: object, motion: object, judge: TrainedSyncExpert | None) -> Lag:
        judges.append(judge)
        return Lag(0.0, 0.0)

    monkeypatch.setattr(evaluate_module, "estimate_lag", noted)
    for given in (expert, None):
        evaluate_module.evaluate([checkpoint], [], [], [tmp_path / "s.wav"], "held-out", given, None, tmp_path / "out")
    assert judges[0] is not None
    assert judges[0].model.config.hidden == 8
    assert judges[1] is None  # the package's own


@pytest.mark.parametrize("phones", ['[["p", NaN, 1]]', '[["p", "0", 1]]', "null", "[" * 100_000], ids=str.__len__)
def test_phones_that_are_none_are_told(tmp_path: Path, checkpoint: Path, phones: str) -> None:
    write_wav(tmp_path / "speech.wav", talk(1.0)[0])
    (tmp_path / "speech.json").write_text(f'{{"phones": {phones}}}')
    with pytest.raises(InputError, match=r"speech\.json: "):
        evaluate([checkpoint], [], [], [tmp_path / "speech.wav"], "all", None, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
