"""What is decided of what is asked for, what was decided before and what was measured; and the time that is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from rich.console import Console

from audio_motion.errors import InputError
from geneface_ns.talk import display, estimate
from geneface_ns.talk.display import Whole
from geneface_ns.talk.options import TalkOptions
from geneface_ns.talk.work import Decided, Work, decide, iterations_in, kept
from geneface_ns.trained.methods import METHODS


@pytest.fixture
def options(tmp_path: Path) -> TalkOptions:
    (tmp_path / "talk.mp4").write_bytes(b"a video")
    return TalkOptions(tmp_path / "talk.mp4", tmp_path / "a.wav", tmp_path / "out" / "b.mp4")


def test_names(options: TalkOptions) -> None:
    assert options.folder == options.video.parent / "out" / "talk.talk"
    assert replace(options, output=None).result == Path("talk-a.mp4")
    assert replace(options, output=None).folder == Path("talk.talk")


def test_minutes_choose_a_size_and_back() -> None:
    assert estimate.usual_minutes(128, 128) == pytest.approx(4)
    assert estimate.size_for(1.0) == 128
    assert estimate.size_for(5.0) == 256
    assert estimate.size_for(60.0) is None


def test_the_first_time(options: TalkOptions) -> None:
    assert decide(options, None).size is None
    assert decide(replace(options, minutes=5.0), None).size == 256
    assert decide(replace(options, minutes=5.0, size=512), None).size == 512
    assert decide(replace(options, iterations=70), None).iterations == 70


def test_what_was_decided_stays(options: TalkOptions) -> None:
    first = replace(decide(replace(options, minutes=5.0), None), iterations=2000, step=0.15)
    assert decide(options, first) == first
    assert decide(replace(options, minutes=5.0, size=256), first) == first
    more = decide(replace(options, minutes=10.0), first)
    assert (more.size, more.iterations) == (256, 4000)
    assert kept(first, more, 2000) == "the capture is kept, and 2000 steps of the head; it is trained on"
    less = decide(replace(options, minutes=1.0), first)
    assert "2000 steps are kept, which has more steps than are asked for (400)" in kept(first, less, 2000)
    assert kept(first, first, 2000) == "the capture and the head of 2000 steps are kept"
    larger = decide(replace(options, size=512), first)
    assert larger == Decided(first.video, 512, 5.0)  # the speed at that size is to be measured
    assert "made anew" in kept(first, larger, None)
    options.video.write_bytes(b"another video")
    other = decide(options, first)
    assert other == Decided(other.video, None)
    assert kept(first, other, None).startswith("talk.mp4 is not the file that it was")


def test_a_copy_is_the_same_video(options: TalkOptions) -> None:
    first = decide(options, None)
    options.video.rename(options.video.with_name("renamed.mp4"))
    options.video.with_name("renamed.mp4").touch()
    copied = replace(options, video=options.video.with_name("renamed.mp4"))
    assert decide(copied, first) == first
    copied.video.write_bytes(b"A video")  # as large, but another
    assert decide(copied, first).video != first.video


def test_each_method_keeps_its_own(options: TalkOptions) -> None:
    first = replace(decide(replace(options, minutes=5.0), None), iterations=2000, step=0.15)
    assert first.method == "geneface"
    splat = replace(options, method="geneface-splat")
    other = decide(splat, first)
    # Nobody said how long: its own usual minutes, at a speed that is to be measured, on the same capture.
    assert (other.method, other.minutes, other.iterations, other.step) == ("geneface-splat", None, None, None)
    assert (other.video, other.size) == (first.video, 256)
    assert kept(first, other, 0) == "the capture is kept, and the head by geneface; one by geneface-splat is trained"
    measured = replace(other, iterations=4000, step=0.05)
    assert decide(options, measured) == measured  # until the other one is asked for
    more = decide(replace(options, minutes=5.0), measured)
    assert (more.method, more.iterations) == ("geneface-splat", 6000)
    back = decide(replace(options, method="geneface"), measured)
    assert (back.method, back.minutes, back.iterations, back.step) == ("geneface", 5.0, 2000, 0.15)
    assert kept(measured, back, 2000) == "the capture and the head of 2000 steps by geneface are kept"
    assert decide(splat, back) == measured
    # Another size is another capture: nothing is known of either's speed there.
    larger = decide(replace(options, size=512), back)
    assert (larger.method, larger.size, larger.iterations, larger.others) == ("geneface", 512, None, {})


def test_a_head_of_gaussians_needs_fewer_minutes() -> None:
    assert estimate.usual_minutes(256, 256, "geneface-splat") == pytest.approx(7.9, abs=0.1)
    assert estimate.size_for(2.8, "geneface-splat") == 192
    assert estimate.size_for(5.0, "geneface-splat") is None


def test_the_methods_that_can_be_asked_for() -> None:
    """Written out in the options so that their help needs no torch."""
    methods, _ = get_args(get_type_hints(TalkOptions)["method"])
    assert get_args(methods) == tuple(METHODS)
    assert set(estimate.USUAL) == set(METHODS)


def test_steps_of_minutes() -> None:
    assert iterations_in(5.0, 0.1) == 3000
    assert iterations_in(0.01, 10.0) == 100


def test_the_folder_is_its_own(tmp_path: Path) -> None:
    work = Work(tmp_path / "a")
    work.save(Decided(("talk.mp4", "1", "2"), 256, 5.0))
    assert work.decided == Decided(("talk.mp4", "1", "2"), 256, 5.0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").touch()
    with pytest.raises(InputError, match="holds other files"):
        _ = Work(tmp_path / "b").decided
    (tmp_path / "a" / "talk.json").write_text('{"video": []}')
    with pytest.raises(InputError, match="of another release"):
        _ = work.decided
    (tmp_path / "a" / "talk.json").write_text('{"video": [], "size": 256, "method": "geneface-mesh"}')
    with pytest.raises(InputError, match="of another release"):
        _ = work.decided
    # Of a release that knew one method.
    (tmp_path / "a" / "talk.json").write_text('{"video": ["a"], "size": 256, "minutes": 5.0}')
    assert work.decided == Decided(("a",), 256, 5.0)


def test_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 s are estimated for each of three parts; the first takes twice as long."""
    now = 0.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    console = Console(force_terminal=True, record=True, width=100)
    whole = Whole({"a": 60.0, "b": 60.0, "c": 60.0}, console)
    with whole.shown():

        def left() -> float:
            assert whole._progress is not None
            return whole._progress.tasks[0].fields["left"]

        with whole.stage("a") as tick:
            assert left() == 180
            now = 30.0
            tick(None)
            assert left() == 150
            tick(0.25)  # its own speed is known now: 90 s are left of it
            assert left() == 210
            now = 120.0
        with whole.stage("b"):
            assert left() == 180  # one and a half times the estimates
    assert "[1/3] a: 120 s" in console.export_text()
