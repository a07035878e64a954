"""The real command lines: a head that was hardly trained, shown over nothing, in another size, and pasted back."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from audio_motion.media import probe, read_frames
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.origin import Origin
from geneface_ns.capture_format.pictures import read_png, write_png
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.output.replay import replay_of
from geneface_ns.output.video import VideoWriter
from geneface_ns.synthetic.exact_capture import write_exact_capture
from tests.geneface_ns.commands.test_cli import fails, geneface
from tests.geneface_ns.fakes import write_run

SIDE, FRAMES, FPS = 64, 8, 12.5
CROP = (20, 6, SIDE, SIDE)
WIDE, HIGH = 112, 80


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture `anna` of `wide.mp4`, where the person stands before noise, and a run of it."""
    folder = tmp_path_factory.mktemp("looks")
    capture = folder / "anna"
    write_exact_capture(capture, size=SIDE, frames=FRAMES, fps=FPS)
    x, y = CROP[:2]
    around = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (HIGH, WIDE, 3), np.uint8), (0, 0), 3)
    with VideoWriter(folder / "wide.mp4", (WIDE, HIGH), FPS, crf=4) as writer:
        for index in range(FRAMES):
            whole = around.copy()
            whole[y : y + SIDE, x : x + SIDE] = read_png(capture / f"images/{index:05d}.png")
            writer.write(whole)
    for index, (_, rgb) in enumerate(read_frames(folder / "wide.mp4", FPS)):
        write_png(capture / f"images/{index:05d}.png", np.ascontiguousarray(rgb[y : y + SIDE, x : x + SIDE]))
    data = json.loads((capture / "transforms.json").read_text())
    seconds = probe(folder / "wide.mp4").duration
    origin = Origin("wide.mp4", WIDE, HIGH, seconds, 0.0, 0, False, None, CROP)
    (capture / "transforms.json").write_text(json.dumps(data | {"origin": origin.contents()}))
    loaded, config = load_capture(capture), PortraitConfig()
    write_run(folder / "run", loaded, Portrait(loaded, 1, config), config)
    return folder


def render(place: Path, output: str, *more: object) -> str:
    given = ("--load-config", place / "run", "--motion", place / "anna" / "landmarks.npz", "--device", "cpu")
    done = geneface("render", *given, "--output", place / output, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_alpha_in_another_size(place: Path) -> None:
    assert f"{FRAMES} frames" in render(place, "a.mov", "--alpha", "--size", 96, 72, "--visible-mark")
    with av.open(str(place / "a.mov")) as container:
        frames = [frame.reformat(format="rgba").to_ndarray() for frame in container.decode(video=0)]
        assert "Synthetic media" in container.metadata["comment"]
    assert len(frames) == FRAMES
    assert frames[0].shape == (72, 96, 4)
    assert not frames[0][:40, :10, 3].any()  # beside the person


def test_pasted_back(place: Path) -> None:
    render(place, "back.mp4", "--paste-back", place / "wide.mp4", "--crf", 1)
    shown = [rgb.astype(int) for _, rgb in read_frames(place / "back.mp4", FPS)]
    original = [rgb.astype(int) for _, rgb in read_frames(place / "wide.mp4", FPS)]
    x, y = CROP[:2]
    inside = np.zeros((HIGH, WIDE), bool)
    inside[y : y + SIDE, x : x + SIDE] = True
    assert len(shown) == FRAMES
    for frame, real in zip(shown, original, strict=True):
        assert np.abs(frame - real)[~inside].mean() < 1.5  # of encoding
        assert np.abs(frame - real)[inside].mean() > 5  # a head that has learnt nothing
    assert not (place / "x.mp4").exists()
    given = ("--load-config", place / "run", "--motion", place / "anna" / "landmarks.npz")
    other = fails("render", *given, "--paste-back", place / "back.mp4", "--output", place / "x.mp4")
    assert "not the video that" in other
    assert "give wide.mp4" in other
    assert not (place / "x.mp4").exists()


def test_replayed(place: Path) -> None:
    said = "mouth and jaw are generated, the rest is footage"
    assert render(place, "again.mp4", "--replay", "--crf", 1).splitlines()[-1].endswith(f"{FRAMES / FPS:.2f} s; {said}")
    render(place, "again whole.mp4", "--replay", "--paste-back", place / "wide.mp4", "--crf", 1)
    x, y = CROP[:2]
    for name, at, size in (("again.mp4", (0, 0), (SIDE, SIDE)), ("again whole.mp4", (x, y), (WIDE, HIGH))):
        with av.open(str(place / name)) as container:
            assert said in container.metadata["comment"]
        shown = [rgb.astype(int) for _, rgb in read_frames(place / name, FPS)]
        whole = [rgb.astype(int) for _, rgb in read_frames(place / "wide.mp4", FPS)]
        assert len(shown) == FRAMES
        assert shown[0].shape == (size[1], size[0], 3)
        replay = replay_of(load_capture(place / "anna"), None)
        for index, (frame, real) in enumerate(zip(shown, whole, strict=True)):
            real = real if at == (x, y) else real[y : y + SIDE, x : x + SIDE]
            rows, columns = replay.window(index).place
            drawn = np.zeros(real.shape[:2], bool)
            drawn[rows.start + at[1] : rows.stop + at[1], columns.start + at[0] : columns.stop + at[0]] = True
            assert np.abs(frame - real)[~drawn].mean() < 1.5  # of encoding
            assert np.abs(frame - real)[drawn].mean() > 5  # a head that has learnt nothing
    given = ("--load-config", place / "run", "--motion", place / "anna" / "landmarks.npz", "--output", place / "y.mp4")
    assert "does not go with --replay" in fails("render", *given, "--replay", "--camera-path", place / "p.json")
    assert not (place / "y.mp4").exists()


def test_camera_path_says_how_much_it_clipped(place: Path) -> None:
    done = geneface("camera-path", place / "run", place / "path.json", "--orbit", 40, 0, "--seconds", 0.4)
    assert done.returncode == 0, done.stderr
    assert "clipped in" in done.stdout
    assert "5 cameras, 0.40 s" in done.stdout
    assert "exclude each other" in fails(
        "camera-path", place / "run", place / "p.json", "--orbit", 1, 1, "--keys", 0, 0
    )
    assert "is a .json file" in fails("camera-path", place / "run", place / "p.txt")
    assert "no run of this capture in outputs/" in fails("camera-path", place / "anna", place / "p.json")
    data = json.loads((place / "path.json").read_text())
    data["camera_path"][0]["fov"] = float("nan")
    (place / "nan.json").write_text(json.dumps(data))
    given = ("--load-config", place / "run", "--motion", place / "anna" / "landmarks.npz")
    assert "nan" in fails("render", *given, "--camera-path", place / "nan.json", "--output", place / "x.mp4")
