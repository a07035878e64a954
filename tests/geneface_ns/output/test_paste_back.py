"""Back into the whole picture: what is outside stays bit for bit, the edge is not seen, the pose is the original's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.media import probe, read_frames
from geneface_ns.capture.crop import Crop
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.capture_format.origin import Origin
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.trajectory import pingpong_index
from geneface_ns.output.blending import blend
from geneface_ns.output.drive import drive
from geneface_ns.output.paste_back import check_original, feather, filmed_trajectory, pasted
from geneface_ns.output.video import VideoWriter
from geneface_ns.renderers.contract import Layers
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.synthetic.clip import Truth, make_truth
from geneface_ns.synthetic.speech import speech_names, speech_track
from tests.geneface_ns.fakes import FakeRenderer, make_capture

WIDE, HIGH, FRAMES, FPS = 128, 72, 30, 12.5
START = 4
"""First frame of the capture in the video."""
CROP = (30, 0, 72, 72)
COUNT = 24
"""Frames of the capture."""


class TruthRenderer(FakeRenderer):
    """Shows the procedural person's true pictures in the capture's order, in another light."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        super().__init__()
        self.pictures = pictures
        self.camera = Pinhole((100.0, 100.0), (36.0, 36.0), (72, 72))

    def render(
        self,
        condition: Condition,
        camera: Pinhole,
        c2w: torch.Tensor | None = None,
        underlay: torch.Tensor | None = None,
        wanted: torch.Tensor | None = None,
    ) -> Layers:
        layers = super().render(condition, camera)
        index = round(float(condition.body[0, 0, 2] * 16))  # the made-up capture's body says which frame it is
        rgb = torch.from_numpy(self.pictures[index]).float() / 255 * 0.95 + 0.02
        return layers._replace(rgb=rgb)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return make_truth(1, speech_track(speech_names("train"), 1, seconds=FRAMES / FPS), (WIDE, HIGH), FPS, FRAMES)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, truth: Truth) -> Path:
    """The procedural person in a picture larger than what is cut out."""
    path = tmp_path_factory.mktemp("video") / "wide.mp4"
    with VideoWriter(path, (WIDE, HIGH), FPS, crf=10) as writer:
        for index in range(FRAMES):
            writer.write(truth.frame(index).rgb)
    return path


@pytest.fixture(scope="module")
def decoded(video: Path) -> list[np.ndarray]:
    return [rgb for _, rgb in read_frames(video, FPS)][START : START + COUNT]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory, video: Path, decoded: list[np.ndarray]) -> Capture:
    folder = make_capture(tmp_path_factory.mktemp("captures") / "wide", frames=COUNT, fps=FPS, size=32)
    crop = Crop(*CROP, 32, 32)
    for index, rgb in enumerate(decoded):
        cv2.imwrite(str(folder / f"images/{index:05d}.png"), crop.apply(rgb)[..., ::-1])
    data = json.loads((folder / "transforms.json").read_text())
    origin = Origin(video.name, WIDE, HIGH, probe(video).duration, START / FPS, 0, False, None, CROP)
    (folder / "transforms.json").write_text(json.dumps(data | {"origin": origin.contents()}))
    return load_capture(folder)


def still(count: int) -> Iterator[MotionFrame]:
    return iter([MotionFrame(np.zeros((68, 3), np.float32), np.zeros(2, np.float32))] * count)


def test_outside_is_the_original_and_the_edge_is_not_seen(
    tmp_path: Path, video: Path, capture: Capture, decoded: list[np.ndarray]
) -> None:
    x, y, width, height = CROP
    renderer = TruthRenderer([rgb[y : y + height, x : x + width] for rgb in decoded])
    count = 60  # longer than the capture: there, back, and there again
    finish = pasted(video, capture, tmp_path)
    shown = list(drive(renderer, filmed_trajectory(capture), still(count), FPS, (72, 72), finish=finish))
    real = [decoded[index] for index in pingpong_index(np.arange(count), COUNT)]
    inside = np.zeros((HIGH, WIDE), bool)
    inside[y : y + height, x : x + width] = True
    for frame, original in zip(shown, real, strict=True):
        np.testing.assert_array_equal(frame[~inside], original[~inside])
    # The pose is the original's, frame by frame.
    poses = capture.c2w[pingpong_index(np.arange(count), COUNT)]
    np.testing.assert_allclose(np.stack(renderer.poses), poses, atol=1e-6)
    # The picture is 8 of 255 darker or lighter before it is matched. Across the edge there is no step beyond the
    # original's own, and along the feather less than the clip's noise from frame to frame.
    pasted_back, original = np.stack(shown).astype(float), np.stack(real).astype(float)
    noise = np.abs(np.diff(original[:COUNT], axis=0))[:, :, x - 2 : x + 2].mean()
    for inner, outer in ((x, x - 1), (x + width - 1, x + width)):
        step = np.abs(pasted_back[:, :, inner] - pasted_back[:, :, outer]).mean()
        assert abs(step - np.abs(original[:, :, inner] - original[:, :, outer]).mean()) < noise
    away = np.abs(pasted_back - original)[:, y : y + height, x : x + width]
    assert away[:, :, :7].mean() < 1.5
    assert away[:, :, -7:].mean() < 1.5


def test_the_feather_is_nothing_at_the_edge_and_all_inside() -> None:
    weight = feather((100, 80), (False, False, False, True))[..., 0]
    assert not weight[0].any()
    assert not weight[:, 0].any()
    assert not weight[:, -1].any()
    assert (weight[10:, 10:-10] == 1).all()  # down to the picture's own edge
    assert (np.diff(weight[40, :11]) >= 0).all()
    assert np.diff(weight[40]).max() < 0.2


def test_another_light_is_matched() -> None:
    y, x = np.mgrid[:80, :100]
    real = np.stack([100 + x, 120 + y, 90 + x // 2], axis=-1).astype(np.uint8)
    weight = feather((100, 80), (False,) * 4)
    for shift in (12, -12):
        darker = (real.astype(int) + shift).astype(np.uint8)
        assert np.abs(blend(darker, real, weight).astype(int) - real).max() <= 2
    # A thing that is not there in the original is no light: it stays what it is.
    thing = real.copy()
    thing[30:50, 40:60] = 255
    np.testing.assert_array_equal(blend(thing, real, weight)[30:50, 40:60], thing[30:50, 40:60])


def test_another_video_is_recognised(tmp_path: Path, video: Path, capture: Capture, truth: Truth) -> None:
    check_original(video, capture)

    def written(name: str, size: tuple[int, int], frames: list[int], shift: int = 0) -> Path:
        with VideoWriter(tmp_path / name, size, FPS) as writer:
            for index in frames:
                writer.write(np.roll(cv2.resize(truth.frame(index).rgb, size), shift, axis=1))
        return tmp_path / name

    every = list(range(FRAMES))
    check_original(written("encoded again.mp4", (WIDE, HIGH), every), capture)
    others = {
        "96 x 72 pixels, not 128 x 72": written("narrow.mp4", (96, HIGH), every),
        "1.60 s long, not 2.40": written("short.mp4", (WIDE, HIGH), every[:20]),
        "frame 0 differs by": written("another.mp4", (WIDE, HIGH), every, shift=30),
    }
    for says, path in others.items():
        with pytest.raises(InputError, match=says) as caught:
            check_original(path, capture)
        assert "give wide.mp4" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_older_capture_is_to_be_processed_again(tmp_path: Path, video: Path) -> None:
    older = load_capture(make_capture(tmp_path / "older"))
    with pytest.raises(InputError, match="run `geneface process` again"):
        check_original(video, older)
