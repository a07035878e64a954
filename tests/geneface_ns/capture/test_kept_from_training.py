"""Nothing that training looks at is made of test frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from audio_motion.tracking import Track
from geneface_ns.capture import stages
from geneface_ns.capture.extract import small_size
from geneface_ns.capture.transforms import split_at
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import read_png, write_png
from geneface_ns.synthetic import Truth, make_truth, speech_names, speech_track

SIZE, FRAMES = 96, 33
TEST = split_at(np.ones(FRAMES, bool))


@pytest.fixture(scope="module")
def truth() -> Truth:
    return make_truth(1, speech_track(speech_names("train")[:1], 1), (SIZE, SIZE), 12.5, FRAMES)


@dataclass(frozen=True)
class Made:
    """What processing made of all frames for the training ones."""

    pictures: dict[str, np.ndarray]
    collar: np.ndarray
    box: list[list[float]]
    reference: int


def made_of(truth: Truth, folder: Path, spoilt: bool) -> Made:
    """Run the stages after tracking, on exact poses; `spoilt`: the test frames hold noise."""
    layout = Layout(folder)
    for path in (layout.image(0), layout.matte(0), layout.chunk(0)):
        path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    grey, person = [], []
    for frame in range(FRAMES):
        drawn = truth.frame(frame)
        picture, matte = drawn.rgb, np.where(drawn.labels > 0, 255, 0).astype(np.uint8)
        if spoilt and frame >= TEST:
            picture = rng.integers(0, 256, picture.shape, np.uint8)
            # In blocks: whole parts of the picture count as person, and whole parts as scene.
            matte = np.kron(rng.integers(0, 2, (6, 6)), np.full((SIZE // 6, SIZE // 6), 255)).astype(np.uint8)
        write_png(layout.image(frame), picture)
        write_png(layout.matte(frame), matte)
        small = small_size(SIZE, SIZE)
        grey.append(cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), small, interpolation=cv2.INTER_AREA))
        person.append(cv2.resize(matte, small, interpolation=cv2.INTER_AREA))
    meshes = np.zeros((FRAMES, 1, 3), np.float32)
    stages.save_arrays(layout.chunk(0), {"meshes": meshes, "grey": np.stack(grey), "person": np.stack(person)})
    size, points, valid = (SIZE, SIZE), truth.points2d, np.ones(FRAMES, bool)
    stages.body(layout, points, valid, size, lambda: None)
    reference = int(stages.load_arrays(layout.work / "body.npz")["reference"])
    # The body's motion is a pose, tracked through all frames; what is made of pictures is asked for here.
    moved = {"affine": truth.body_from(reference), "reference": np.array(reference)}
    stages.save_arrays(layout.work / "body.npz", moved)
    stages.label_frames(layout, points, valid, size, lambda: None)
    stages.clean_background(layout, valid, lambda: None)
    stages.torso_layers(layout, points, valid, size, lambda: None)
    track = Track(
        c2w=truth.c2w,
        landmarks=truth.landmarks,
        points2d=points,
        eye_openness=truth.eye_openness,
        valid=valid,
        fps=truth.fps,
        fl=truth.fl,
        cx=truth.cx,
        cy=truth.cy,
        error=0.0,
        mesh=np.zeros((1, 3), np.float32),
        rigid=np.ones(1, np.float32),
        width=SIZE,
        height=SIZE,
    )
    paths = [layout.background, *(f(i) for i in range(TEST) for f in (layout.mask, layout.torso))]
    return Made(
        {str(path.relative_to(folder)): read_png(path) for path in paths},
        stages.load_arrays(layout.work / "collar.npz")["line"],
        stages.head_box(layout, track),
        reference,
    )


def test_noise_in_the_test_frames_changes_nothing_of_the_training_frames(truth: Truth, tmp_path: Path) -> None:
    whole, spoilt = (made_of(truth, tmp_path / str(noise), noise) for noise in (False, True))
    np.testing.assert_array_equal(whole.collar, spoilt.collar)
    assert whole.box == spoilt.box
    assert whole.reference == spoilt.reference < TEST
    for name, picture in whole.pictures.items():
        np.testing.assert_array_equal(picture, spoilt.pictures[name], err_msg=name)


def test_the_reference_frame_of_the_body_is_a_training_frame(truth: Truth, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.chunk(0).parent.mkdir(parents=True)
    small = (FRAMES, *small_size(SIZE, SIZE))
    grey, person = np.random.default_rng(0).integers(0, 256, small, np.uint8), np.full(small, 255, np.uint8)
    stages.save_arrays(layout.chunk(0), {"meshes": np.zeros((FRAMES, 1, 3)), "grey": grey, "person": person})
    # The test frames are the most typical ones by far.
    points = np.tile(truth.points2d[:1], (FRAMES, 1, 1))
    points[:TEST] += np.arange(TEST)[:, None, None] - TEST / 2
    points[TEST:] += points[:TEST].mean(axis=0) - points[TEST]
    stages.body(layout, points, np.ones(FRAMES, bool), (SIZE, SIZE), lambda: None)
    assert int(stages.load_arrays(layout.work / "body.npz")["reference"]) < TEST
