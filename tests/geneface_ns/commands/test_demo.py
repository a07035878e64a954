"""The demo: a clip and a speech that it never heard, and then what `geneface talk` does with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from geneface_ns.commands import demo
from geneface_ns.commands.demo import SECONDS, DemoConfig
from geneface_ns.talk import talk
from geneface_ns.talk.options import TalkOptions


def test_what_is_there_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[TalkOptions] = []
    monkeypatch.setattr(talk, "talk", asked.append)
    monkeypatch.setattr(demo, "make_clip", lambda path: path.write_text("clip"))
    out = tmp_path / "out"
    out.mkdir()
    DemoConfig(out).main()
    assert (out / "speech.wav").stat().st_size > 16000
    assert "made before" not in capsys.readouterr().out
    (out / "clip.mp4").write_text("kept")
    DemoConfig(out).main()
    assert capsys.readouterr().out.count("made before") == 2
    assert (out / "clip.mp4").read_text() == "kept"
    (first, second) = asked
    assert first == second
    assert (first.video, first.speech, first.output) == (out / "clip.mp4", out / "speech.wav", out / "demo.mp4")


def test_what_it_says_was_never_in_the_clip() -> None:
    from geneface_ns.synthetic.speech import load_speech, speech_names, speech_track

    heard = speech_track(speech_names("train"), demo.SEED, SECONDS).text
    for name in speech_names("unseen"):
        assert load_speech(name).text not in heard
