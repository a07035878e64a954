"""The demo's steps: what is finished is not done again, what fails is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_motion.errors import InputError
from geneface_ns.commands import demo
from geneface_ns.commands.demo import LAST_CHECKPOINT, RUN, SECONDS, DemoConfig


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the steps that were done; each leaves an empty file in place of its product."""
    names: list[str] = []

    def leaves(name: str, path: Path) -> None:
        names.append(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def geneface(name: str, *arguments: object) -> None:
        leaves(name, Path(str(arguments[1])) / "transforms.json" if name == "process" else Path(str(arguments[-1])))

    monkeypatch.setattr(demo, "make_clip", lambda path: leaves("clip", path))
    monkeypatch.setattr(demo, "make_speech", lambda path: leaves("speech", path))
    monkeypatch.setattr(demo, "geneface", geneface)
    monkeypatch.setattr(demo, "train", lambda capture, output: leaves("train", output / RUN / LAST_CHECKPOINT))
    return names


def test_steps_are_done_once(tmp_path: Path, done: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    DemoConfig(tmp_path / "out").main()
    assert done == ["clip", "speech", "process", "train", "render"]
    assert (tmp_path / "out" / "demo.mp4").exists()
    (tmp_path / "out" / "demo.mp4").unlink()
    capsys.readouterr()
    DemoConfig(tmp_path / "out").main()
    assert done[5:] == ["render"]
    assert capsys.readouterr().out.count("done before") == 4


def test_a_step_without_a_product(tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "train", lambda capture, output: None)
    with pytest.raises(InputError, match="ns-train geneface ended without"):
        DemoConfig(tmp_path / "out").main()
    assert done == ["clip", "speech", "process"]


def test_failing_commands(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"exit code 3"):
        demo.run("/bin/sh", "-c", "exit 3")
    with pytest.raises(InputError, match="cannot be run"):
        demo.run(tmp_path / "absent")


def test_what_it_says_was_never_in_the_clip() -> None:
    from geneface_ns.synthetic.speech import load_speech, speech_names, speech_track

    heard = speech_track(speech_names("train"), demo.SEED, SECONDS).text
    for name in speech_names("unseen"):
        assert load_speech(name).text not in heard
