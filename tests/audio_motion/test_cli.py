import subprocess
import sys
from pathlib import Path

import pytest

from audio_motion.cli import main
from audio_motion.sequence import LandmarkSequence
from tests.audio_motion.data.captures import write_capture
from tests.audio_motion.features.tiny_encoders import write_whisper
from tests.audio_motion.synthetic_speech import talk, write_wav


def audio_motion(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "audio_motion.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_help_lists_the_commands() -> None:
    result = audio_motion("--help")
    assert result.returncode == 0
    assert all(word in result.stdout for word in ("train", "predict", "track"))


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, audio_motion.cli; print({'torch', 'mediapipe', 'librosa', 'lightning'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_train_and_predict(tmp_path: Path) -> None:
    capture = write_capture(tmp_path / "Zoë's talk", 6.0)
    write_wav(tmp_path / "new speech.wav", talk(1.5, seed=3)[0])
    checkpoint = tmp_path / "gen.safetensors"
    result = audio_motion("train", "generator", capture, "--output", checkpoint, "--steps", 3)
    assert result.returncode == 0, result.stderr
    options = ("--generator", checkpoint, "--fps", 30, "--seed", 2, "--temperature", 0.8, "--no-blink")
    result = audio_motion("predict", tmp_path / "new speech.wav", tmp_path / "out.npz", *options)
    assert result.returncode == 0, result.stderr
    motion = LandmarkSequence.load(tmp_path / "out.npz")
    assert (len(motion), motion.fps) == (45, 30.0)


def test_the_commands_of_the_docs_one_after_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = write_capture(tmp_path / "anna", 8.0)
    expert, generator, postnet = (tmp_path / f"{name}.safetensors" for name in ("expert", "generator", "postnet"))
    out = tmp_path / "out.npz"
    write_wav(tmp_path / "speech.wav", talk(1.0, seed=3)[0])
    said = {
        ("train", "syncnet", capture, "--output", expert, "--steps", 2): "of the held-out seconds",
        ("train", "generator", capture, "--expert", expert, "--output", generator, "--steps", 2): "wrote",
        (
            *("train", "postnet", capture, "--generator", generator, "--expert", expert),
            *("--output", postnet, "--steps", 2),
        ): "distance to the person's held-out motion",
        ("predict", tmp_path / "speech.wav", out, "--generator", generator, "--postnet", postnet): "",
    }
    for command, words in said.items():
        main([str(part) for part in command])
        assert words in capsys.readouterr().out
    motion = LandmarkSequence.load(out)
    assert len(motion) == 25
    assert motion.producer is not None
    assert motion.producer.postnet_sha256 is not None


def test_a_mistake_ends_the_process_with_2_and_one_line(tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    result = audio_motion("predict", tmp_path / "a.wav", out, "--generator", tmp_path / "none.safetensors")
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert not out.exists()


def test_every_mistake_is_one_line(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_wav(tmp_path / "speech.wav", talk(1.0)[0])
    (tmp_path / "text.wav").write_text("words")
    (tmp_path / "file").write_text("in the way of a folder")
    out = tmp_path / "out.npz"
    trained = ("--generator", checkpoint)
    cases = {
        ("predict", tmp_path / "none.wav", out, *trained): "no such file",
        ("predict", tmp_path / "text.wav", out, *trained): "not a sound or video file",
        ("predict", tmp_path / "speech.wav", tmp_path / "file" / "out.npz", *trained): "cannot write",
        ("predict", tmp_path / "speech.wav", out, *trained, "--fps", 0): "fps is 0",
        ("train", "generator", tmp_path / "none", "--output", tmp_path / "g.safetensors"): "no such file",
        ("track", tmp_path / "none.mp4", out): "none.mp4",
    }
    for case, problem in cases.items():
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in case])
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert problem in error
        assert error.count("\n") == 1
    assert not out.exists()


def test_features_are_chosen_in_training_and_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    capture, here = write_capture(tmp_path / "capture", 6.0), write_whisper(tmp_path / "whisper")
    write_wav(tmp_path / "speech.wav", talk(1.0)[0])
    checkpoint, out = tmp_path / "gen.safetensors", tmp_path / "out.npz"
    train = ("train", "generator", capture, "--output", checkpoint, "--steps", 2)
    main([str(part) for part in (*train, "--features", f"whisper:{here}@2")])
    main(["predict", str(tmp_path / "speech.wav"), str(out)])
    assert "the package's voice, which hears through whisper\n" in capsys.readouterr().out
    predict = ("predict", tmp_path / "speech.wav", out, "--generator", checkpoint)
    main([str(part) for part in predict])
    assert f"{checkpoint}, which hears through whisper:{here}@2" in capsys.readouterr().out
    assert len(LandmarkSequence.load(out)) == 25
    there = here.rename(tmp_path / "moved")
    capsys.readouterr()
    mistakes = {
        (): "--features",
        ("--features", f"whisper:{there}@1"): "made for the speech features whisper-",
        ("--features", "mel"): "are acoustic-1",
    }
    for options, problem in mistakes.items():
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in (*predict, *options)])
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert problem in error
        assert error.count("\n") == 1
    main([str(part) for part in (*predict, "--features", f"whisper:{there}@2")])
