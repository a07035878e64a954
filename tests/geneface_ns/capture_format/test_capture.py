"""A capture's description and frames."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.scene.frames import FrameStore
from geneface_ns.synthetic.exact_capture import write_exact_capture

ORIGIN = {"video": "a.mp4", "width": 100, "height": 64, "seconds": 3.0, "start": 0.0, "turn": 0, "deinterlace": False}
ORIGIN |= {"picture_track": None, "crop": [10, 0, 64, 64]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exact") / "capture"
    write_exact_capture(folder, frames=11)
    return folder


def test_description(folder: Path):
    capture = load_capture(folder)
    assert len(capture) == 11
    assert capture.is_train.sum() == 10
    assert (capture.width, capture.height) == (64, 64)
    assert capture.landmarks.landmarks.shape == (11, 68, 3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(schema_version=7), "schema version 7"),
        (lambda d: d.pop("head_box"), "head_box"),
        (lambda d: d.update(frames=[]), "no frames"),
        (lambda d: [f.update(split="test") for f in d["frames"]], "no valid training frame"),
        (lambda d: d["frames"].pop(), "landmarks.npz has 11 frames, transforms.json 10"),
        (lambda d: d.update(person=None), "person is None"),
        (lambda d: d.update(fps=0), "fps is 0"),
        (lambda d: d.update(fps=math.nan), "fps is nan"),
        (lambda d: d.update(fps=math.inf), "fps is inf"),
        (lambda d: d.update(fps=None), "malformed"),
        (lambda d: d.update(w=0), "w is 0"),
        (lambda d: d.update(h=-64), "h is -64"),
        (lambda d: d.update(w=math.inf), "malformed"),
        (lambda d: d.update(h=1e12), "h is 1000000000000"),
        (lambda d: d.update(fl_x=0), "fl_x is 0"),
        (lambda d: d.update(fl_y=math.nan), "fl_y is nan"),
        (lambda d: d.update(cx=math.inf), "cx is inf"),
        (lambda d: d.update(head_box=[[0, 0, 0], [1, math.nan, 1]]), r"head_box\[1\]\[1\] is nan"),
        (lambda d: d.update(head_box=[[0, 0, 0], [1, 0, 1]]), "head_box holds nothing"),
        (lambda d: d.update(frames=5), "malformed"),
        (lambda d: d.update(frames=[None] * 11), "malformed"),
        (lambda d: d.update(frames={"a": 1}), "malformed"),
        (
            lambda d: d["frames"][3].update(transform_matrix=np.full((4, 4), math.nan).tolist()),
            r"frames\[3\].trans",
        ),
        (lambda d: d["frames"][3].update(transform_matrix=np.zeros((4, 4)).tolist()), "frame 3: transform_matrix"),
        (lambda d: d["frames"][4].update(body=[[1, 0, math.inf], [0, 1, 0]]), r"frames\[4\].body\[0\]\[2\] is inf"),
        (lambda d: d["frames"][5].update(lips_box=[math.nan] * 4), r"frames\[5\].lips_box"),
        (lambda d: d.update(origin=3), "malformed"),
        (lambda d: d.update(origin={}), "malformed"),
        (lambda d: d.update(origin=ORIGIN | {"crop": [0, 0, 101, 64]}), "names no part of a video"),
        (lambda d: d.update(origin=ORIGIN | {"crop": [0, 0, 64]}), "malformed"),
        (lambda d: d.update(origin=ORIGIN | {"crop": [0.5, 0, 64, 64]}), "no whole pixels"),
        (lambda d: d.update(origin=ORIGIN | {"turn": 45}), "names no part of a video"),
        (lambda d: d.update(origin=ORIGIN | {"seconds": "3"}), "no seconds"),
        (lambda d: d.update(origin=ORIGIN | {"start": -1}), "names no part of a video"),
    ],
)
def test_bad_description_is_told_in_one_line(folder: Path, tmp_path: Path, change, says: str):
    data = json.loads((folder / "transforms.json").read_text())
    change(data)
    (tmp_path / "transforms.json").write_text(json.dumps(data))
    (tmp_path / "landmarks.npz").write_bytes((folder / "landmarks.npz").read_bytes())
    with pytest.raises(InputError, match=says) as error:
        _ = load_capture(tmp_path).landmarks
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"transforms"', "", "{", "[" * 100_000, "\xff"])
def test_another_kind_of_description_is_told_in_one_line(tmp_path: Path, text: str):
    (tmp_path / "transforms.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"transforms\.json: (malformed|capture schema)") as error:
        load_capture(tmp_path)
    assert "\n" not in str(error.value)


def test_where_it_comes_from_is_read_back(folder: Path, tmp_path: Path):
    assert load_capture(folder).origin is None
    data = json.loads((folder / "transforms.json").read_text()) | {"origin": ORIGIN}
    (tmp_path / "transforms.json").write_text(json.dumps(data))
    (tmp_path / "landmarks.npz").write_bytes((folder / "landmarks.npz").read_bytes())
    origin = load_capture(tmp_path).origin
    assert origin is not None
    assert origin.crop == (10, 0, 64, 64)
    assert json.loads(json.dumps(origin.contents())) == ORIGIN


def test_not_a_capture(tmp_path: Path):
    with pytest.raises(InputError, match="geneface process"):
        load_capture(tmp_path)


def test_frames_are_real_outside_the_head_and_filled_behind_it(folder: Path):
    store = FrameStore(load_capture(folder))
    frame = store.frame(3)
    outside = frame.head == 0
    colour, before = frame.underlay[..., :3], frame.underlay[..., 3]
    assert (frame.image[outside] == colour[outside]).all()
    assert (frame.image[~outside] != colour[~outside]).any(axis=1).mean() > 0.9
    labels = cv2.imread(str(store.capture.layout.mask(3)), cv2.IMREAD_GRAYSCALE)
    assert ((before == 255) == (labels == 2)).all()
    assert set(np.unique(frame.head)) == {0, 255}


def test_frames_are_reduced_by_area(folder: Path):
    capture = load_capture(folder)
    full = FrameStore(capture).frame(0).image.astype(float)
    mean = full.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(FrameStore(capture, downscale=4).frame(0).image, mean, atol=0.51)


def test_missing_frame_names_the_file(folder: Path, tmp_path: Path):
    (tmp_path / "transforms.json").write_bytes((folder / "transforms.json").read_bytes())
    (tmp_path / "landmarks.npz").write_bytes((folder / "landmarks.npz").read_bytes())
    with pytest.raises(InputError, match=r"background\.png"):
        FrameStore(load_capture(tmp_path)).frame(0)
