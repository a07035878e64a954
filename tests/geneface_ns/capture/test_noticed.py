"""Whole videos with something in them that is no use to learn from: noticed, left out, and named with its option."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from audio_motion.errors import InputError
from geneface_ns.capture.faces import turned_by
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.process import process
from geneface_ns.capture.report import picture_advice
from geneface_ns.capture.scan import scan
from geneface_ns.capture.source import open_source
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import read_png
from tests.geneface_ns.capture.conftest import FPS, SIZE, Clip
from tests.geneface_ns.capture.test_bad_input import murmur, video


@pytest.fixture(scope="module")
def faulty(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, str]:
    """Black for 0.2 s, then faded in until 0.6 s; held from 2.0 to 2.5 s; everything jumps by 12 px at 4.0 s."""
    frames = np.concatenate([clip.frames, clip.frames[::-1]])[:100].copy()
    for i in range(12):
        frames[i] = frames[i] * (max(0, i - 3) / 9)
    frames[41:50] = frames[40]
    move = np.float32([[1, 0, 12], [0, 1, 0]])
    for i in range(80, 100):
        frames[i] = cv2.warpAffine(frames[i], move, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    folder = tmp_path_factory.mktemp("faulty")
    path, printed = video(folder / "faulty.mp4", frames, murmur(5.0)), io.StringIO()
    process(CaptureOptions(path, folder / "out", align=False), Console(file=printed, width=40))
    return Layout(folder / "out"), printed.getvalue()


def test_nothing_is_learnt_from_it(faulty: tuple[Layout, str]) -> None:
    contents = json.loads(faulty[0].transforms.read_text())
    useless = {i for i, frame in enumerate(contents["frames"]) if not frame["valid"]}
    assert set(range(8)) | set(range(43, 50)) | {80} <= useless  # an encoder takes a frame or two to come to rest
    assert len(useless) <= 8 + 2 + 9 + 1


def test_the_advice_names_the_second_and_the_option(faulty: tuple[Layout, str]) -> None:
    advice = json.loads(faulty[0].report.read_text())["advice"]
    jumped, faded, held = (next(line for line in advice if word in line) for word in ("jumps", "faded", "still"))
    assert "at 4.00 s" in jumped
    assert jumped.endswith(": --end 4.00 keeps one shot")  # the second after it is too short a video
    assert re.search(r"from 0\.00 to 0\.(4|5)\d s \(--start 0\.(4|5)\d leaves", faded)
    assert re.search(r"from 2\.\d\d to 2\.50 s, and nothing", held)  # what is left on either side is too short
    assert not any("no face" in line for line in advice)


def test_of_many_shots_the_three_longest_are_proposed(faulty: tuple[Layout, str]) -> None:
    source = open_source(CaptureOptions(Path(faulty[0].root).parent / "faulty.mp4", faulty[0].root))
    cuts = [int(at * source.fps) for at in (4, 11, 16, 25, 31)]
    noticed = {"combed": None, "faded": [], "held": [], "unseen": [], "real_fps": source.fps}
    (line,) = picture_advice(source, {**noticed, "jumped": [(cut, cut + 1) for cut in cuts]}, int(35 * source.fps))
    spans = re.findall(r"--start (\d+)\.\d+ --end (\d+)\.\d+", line)
    assert spans == [("4", "11"), ("16", "25"), ("25", "31")]


def test_the_background_is_the_scene_and_not_black(faulty: tuple[Layout, str], clip: Clip) -> None:
    found = read_png(faulty[0].background).astype(float)
    assert found.min() > 0.4 * clip.truth.background.min()
    seen = np.ones((SIZE, SIZE), bool)
    for frame in range(0, 60, 6):
        person = (clip.truth.frame(frame).labels > 0).astype(np.uint8)
        seen &= cv2.dilate(person, np.ones((31, 31), np.uint8)) == 0
    assert np.abs(found - clip.truth.background)[seen].mean() < 3


def test_a_log_has_a_line_for_each_stage(faulty: tuple[Layout, str]) -> None:
    lines = faulty[1].splitlines()
    stages = ("look for faces", "read, detect, segment", "track the head", "track the body", "head and torso")
    for line, stage in zip(lines, (*stages, "background", "torso layer", "report"), strict=False):
        assert re.fullmatch(rf"{stage}: (\d+ frames in )?\d+\.\d s( \(\d+\.\d frames/s\))?", line)
    assert not any("?" in line for line in lines[:9])


def test_refused_after_tracking_it_leaves_nothing_and_what_it_proposes_works(clip: Clip, tmp_path: Path) -> None:
    frames = [*clip.frames, *clip.frames[::-1][:10], *[clip.frames[-10]] * 90]
    path, output = video(tmp_path / "frozen.mp4", frames, murmur(8.0)), tmp_path / "captures" / "out"
    with pytest.raises(InputError, match=r"in 5\d% of the frames, first at (\S+) s; .* with --end \1") as caught:
        process(CaptureOptions(path, output, align=False), Console(file=io.StringIO()))
    assert not output.parent.exists()
    end = re.search(r"--end (\S+)", str(caught.value))
    assert end is not None
    assert float(end[1]) == pytest.approx((len(clip.frames) + 10) / FPS, abs=0.1)  # where it begins to stand still
    process(CaptureOptions(path, output, align=False, end=float(end[1])), Console(file=io.StringIO()))
    assert not any("still" in line for line in json.loads(Layout(output).report.read_text())["advice"])


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_head_on_its_side_is_refused_with_the_option_that_turns_it(clip: Clip, tmp_path: Path, turn: int) -> None:
    lying = [turned_by(frame, 360 - turn) for frame in clip.frames]
    path = video(tmp_path / "lying.mp4", lying, murmur())
    with pytest.raises(InputError, match=f"--turn {turn}$"):
        process(CaptureOptions(path, tmp_path / "out"), Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()
    turned = open_source(CaptureOptions(path, tmp_path / "out", turn=turn))
    assert scan(turned, lambda: None).boxes == pytest.approx(
        scan(open_source(CaptureOptions(clip.path, tmp_path / "out")), lambda: None).boxes, abs=0.1 * SIZE
    )
    upright = next(turned.frames()).rgb
    assert np.abs(upright.astype(float) - clip.frames[0]).mean() < 3


def test_untagged_interlacing_is_noticed(clip: Clip, tmp_path: Path) -> None:
    woven = clip.frames[::2].copy()
    woven[:, 1::2] = clip.frames[1::2, 1::2]
    path = video(tmp_path / "woven.mp4", [*woven, *woven], murmur())
    assert scan(open_source(CaptureOptions(path, tmp_path / "out")), lambda: None).combed is not None
    assert scan(open_source(CaptureOptions(clip.path, tmp_path / "out")), lambda: None).combed is None
