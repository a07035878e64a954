"""Choosing a face, and both detectors' surroundings."""

from __future__ import annotations

import sys
import types
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.topology import TEMPLATE
from audio_motion.tracking import detectors
from audio_motion.tracking.detectors import Face, FaceChooser, choose_face, landmarks_of, make_detector, template_depth
from audio_motion.tracking.geometry import rotation_from_vector
from audio_motion.tracking.video import collect_meshes


def face(x: float, y: float, width: float) -> Face:
    points = TEMPLATE * [1, -1, -1] * width + [x, y, 0]
    return Face(points.astype(np.float32), points[:, :2].astype(np.float32))


def test_the_largest_face_then_the_same_one():
    small, large = face(100, 100, 60), face(300, 100, 100)
    assert choose_face([], None) is None
    assert choose_face([small, large], None) is large
    assert choose_face([large, small], face(103, 98, 60)) is small


def test_second_person_is_refused_with_the_second():
    chooser = FaceChooser("a b.mp4")
    pair = [face(100, 100, 90), face(300, 100, 100)]
    for frame in range(12):  # a glimpse of one frame (frame 3) is forgiven
        chooser(pair if frame == 3 or frame >= 8 else pair[1:], frame / 25)
    with pytest.raises(InputError, match=r"a b\.mp4: two faces of similar size at 0\.48 s"):
        chooser(pair, 12 / 25)
    chooser = FaceChooser("fine.mp4")
    for frame in range(40):
        assert chooser([face(100, 100, 30), pair[1]], frame / 25) is pair[1]
        assert chooser([pair[1], face(302, 101, 98)], frame / 25) is not None  # one face, seen twice


def test_template_depth_of_a_turned_face():
    turned = TEMPLATE @ rotation_from_vector(np.radians([10.0, 25.0, 5.0])).T
    picture = turned * [200, -200, -200]  # y down, depth away
    depth = template_depth(picture[:, :2])
    np.testing.assert_allclose(depth, picture[:, 2] - picture[:, 2].mean(), atol=1e-2)


def test_mediapipe_points_stand_where_the_template_has_them():
    assert len(set(detectors.MEDIAPIPE_68.tolist())) == 68
    assert landmarks_of(np.zeros((5, 478, 3))).shape == (5, 68, 3)
    assert landmarks_of(np.zeros((5, 68, 2))).shape == (5, 68, 2)


def test_mediapipe_sees_no_face_in_a_wall():
    detector = make_detector("mediapipe")
    assert detector(np.full((128, 128, 3), 90, np.uint8)) == []
    frames = [(i / 25, np.full((64, 64, 3), 90, np.uint8)) for i in range(2)]
    with pytest.raises(InputError, match=r"wall\.mp4: no face found"):
        collect_meshes(frames, detector, "wall.mp4")


class FakeFaceAlignment(types.ModuleType):
    """As much of the library as we touch, with a face that is known."""

    class LandmarksType:
        TWO_HALF_D = 2

    def __init__(self, offline: bool = False) -> None:
        super().__init__("face_alignment")
        self.offline = offline

    def FaceAlignment(self, kind, device, compile):
        if self.offline:
            raise urllib.error.URLError("no network")
        assert (kind, compile) == (2, False)
        model = types.SimpleNamespace()
        model.get_landmarks_from_image = lambda rgb: [face(64, 64, 80).landmarks] if rgb.any() else None
        return model


def test_face_alignment_points(monkeypatch):
    monkeypatch.setitem(sys.modules, "face_alignment", FakeFaceAlignment())
    detector = make_detector("face-alignment")
    (found,) = detector(np.ones((128, 128, 3), np.uint8))
    assert found.mesh.shape == (68, 3)
    np.testing.assert_allclose(found.landmarks, face(64, 64, 80).landmarks + 0.5)
    assert detector(np.zeros((128, 128, 3), np.uint8)) == []


def test_face_alignment_offline_says_where_weights_go(monkeypatch):
    monkeypatch.setitem(sys.modules, "face_alignment", FakeFaceAlignment(offline=True))
    with pytest.raises(InputError, match=r"3DFAN4-7835d9f11d\.pth\.tar .*checkpoints") as caught:
        make_detector("face-alignment")
    assert "\n" not in str(caught.value)


def test_missing_system_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    with pytest.raises(InputError, match=r"pip install --force-reinstall --no-deps opencv-python-headless==4"):
        make_detector("mediapipe")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux lists them")
def test_a_detector_that_is_gone_leaves_no_threads_behind():
    picture = np.zeros((64, 64, 3), np.uint8)
    threads = []
    for _ in range(4):
        detector = make_detector("mediapipe")
        detector(picture)
        del detector
        threads.append(len(list(Path("/proc/self/task").iterdir())))
    assert threads[-1] == threads[0]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_meshes_of_any_number_of_frames_keep_their_places(count):
    seen = np.random.default_rng(count).random(count) < 0.6
    seen[0], seen[-1] = True, count == 1
    places = iter(range(count))

    def detect(rgb: object) -> list[Face]:
        place = next(places)
        moved = face(place, 0.0, 100.0)
        return [moved] if seen[place] else []

    meshes, valid = collect_meshes(((i / 25, None) for i in range(count)), detect, "a.mp4")
    assert np.array_equal(valid, seen)
    assert meshes.dtype == np.float32
    expected = np.stack([face(i, 0.0, 100.0).mesh * seen[i] for i in range(count)])
    assert np.array_equal(meshes, expected)
