"""Footage with a mouth drawn into it: the rest stays bit for bit, no seam is seen, and pose and footage agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.topology import BROWS, CHIN, EYES, MOUTH, NOSE
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.capture_format.person import Person
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.motion.trajectory import pingpong_index
from geneface_ns.output.drive import drive
from geneface_ns.output.look import LookOptions, look_of
from geneface_ns.output.replay import Replay, replay_of
from geneface_ns.renderers.contract import Layers
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.synthetic.clip import Truth
from geneface_ns.synthetic.exact_capture import write_exact_capture
from tests.geneface_ns.fakes import FakeRenderer

SIDE, FRAMES, FPS = 96, 22, 12.5


class TruthRenderer(FakeRenderer):
    """Shows the part of the true picture that a camera sees, of the frame that has this pose, in another light."""

    def __init__(self, truth: Truth, capture: Capture) -> None:
        super().__init__()
        self.pictures = [truth.frame(index).rgb for index in range(len(capture))]
        self.known = capture.c2w
        self.camera = Pinhole(capture.focal, capture.centre, (capture.width, capture.height))
        self.rays = 0
        """Of the last frame."""

    def render(
        self,
        condition: Condition,
        camera: Pinhole,
        c2w: torch.Tensor | None = None,
        underlay: torch.Tensor | None = None,
        wanted: torch.Tensor | None = None,
    ) -> Layers:
        layers = super().render(condition, camera)
        index = int(np.abs(self.known - condition.c2w[0].numpy()).sum(axis=(1, 2)).argmin())
        x, y = (round(a - b) for a, b in zip(self.camera.centre, camera.centre, strict=True))
        assert camera.focal == pytest.approx(self.camera.focal)
        assert wanted is not None
        self.rays = int(wanted.sum())
        seen = self.pictures[index][y : y + camera.size[1], x : x + camera.size[0]] * wanted[..., None].numpy()
        return layers._replace(rgb=torch.from_numpy(seen).float() / 255 * 0.95 + 0.02)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Capture]:
    folder = tmp_path_factory.mktemp("replay") / "anna"
    made = write_exact_capture(folder, size=SIDE, frames=FRAMES, fps=FPS)
    return made, load_capture(folder)


def own_faces(capture: Capture, count: int, moved: float = 0.0) -> Iterator[MotionFrame]:
    """The capture's faces to and fro, as a whole a little higher."""
    for index in pingpong_index(np.arange(count), len(capture)):
        face = capture.landmarks.landmarks[index] + np.float32([0, moved, 0])
        yield MotionFrame(face, capture.landmarks.eye_openness[index])


def shown(replay: Replay, renderer: TruthRenderer, count: int, first: int = 0) -> np.ndarray:
    frames = drive(
        renderer,
        replay.trajectory,
        replay.spoken(own_faces(replay.capture, count)),
        FPS,
        partial(replay.view, own=renderer.camera),
        first,
        replay.finish_from(first, Path("unused")),
    )
    return np.stack(list(frames))


def test_all_but_the_mouth_is_footage_and_no_seam_is_seen(truth: tuple[Truth, Capture]) -> None:
    made, capture = truth
    replay, renderer = replay_of(capture, None), TruthRenderer(made, capture)
    count = FRAMES + 8  # to, and a little fro
    frames = shown(replay, renderer, count)
    numbers = pingpong_index(np.arange(count), FRAMES)
    real = np.stack([renderer.pictures[number] for number in numbers])
    np.testing.assert_allclose(np.stack(renderer.poses), capture.c2w[numbers], atol=1e-6)
    assert renderer.rays < 0.3 * SIDE * SIDE
    noise = np.abs(np.diff(real[:FRAMES].astype(float), axis=0)).mean()
    for number, frame, filmed in zip(numbers, frames, real, strict=True):
        place, weight = replay.window(int(number))
        whole = np.zeros((SIDE, SIDE), np.float32)
        whole[place] = weight[..., 0]
        np.testing.assert_array_equal(frame[whole == 0], filmed[whole == 0])
        # What is drawn is 8 of 255 off; matched, the seam is less far off than frames are from each other.
        away = np.abs(frame.astype(float) - filmed)
        assert away[whole > 0].mean() < 2
        assert away[(whole > 0) & (whole < 0.5)].mean() < noise / 2


def test_going_on_in_the_middle_shows_the_same(truth: tuple[Truth, Capture]) -> None:
    made, capture = truth
    replay, count = replay_of(capture, None), FRAMES + 4
    whole = shown(replay, TruthRenderer(made, capture), count)
    np.testing.assert_array_equal(shown(replay, TruthRenderer(made, capture), count, FRAMES - 2), whole[FRAMES - 2 :])


def test_lips_and_chin_are_drawn_in_every_frame_and_eyes_in_none(truth: tuple[Truth, Capture]) -> None:
    _, capture = truth
    replay = replay_of(capture, None)
    for frame in range(FRAMES):
        place, weight = replay.window(frame)
        whole = np.zeros((SIDE, SIDE), np.float32)
        whole[place] = weight[..., 0]
        points = capture.project(capture.landmarks.landmarks[frame], capture.c2w[frame])
        at = whole[tuple(np.floor(points[:, ::-1]).astype(int).T)]
        assert (at[MOUTH] == 1).all()
        assert (at[CHIN] > 0.9).all()
        assert (at[EYES] == 0).all()
        assert (at[BROWS] == 0).all()
        assert max(at[0], at[16]) == 0


def test_the_spoken_face_lies_where_the_filmed_one_did(truth: tuple[Truth, Capture]) -> None:
    _, capture = truth
    filmed = capture.landmarks
    wide = filmed.landmarks[0].copy()
    wide[[*range(48, 68), 8]] += np.float32([0, -0.1, 0])
    given = [MotionFrame(wide + np.float32([0.02, 0.03, 0]), np.zeros(2, np.float32))] * 3  # a slip of the whole face
    faces = list(replay_of(capture, None).spoken(given))
    np.testing.assert_allclose(faces[0].landmarks, wide, atol=1e-6)
    for index, face in enumerate(faces):
        for part in (BROWS, EYES):
            np.testing.assert_array_equal(face.landmarks[part], filmed.landmarks[index][part])
        np.testing.assert_array_equal(face.eye_openness, filmed.eye_openness[index])
        np.testing.assert_allclose(face.landmarks[NOSE].mean(0), filmed.landmarks[index][NOSE].mean(0), atol=0.01)


def test_the_longest_part_with_a_face_is_shown(truth: tuple[Truth, Capture]) -> None:
    _, capture = truth
    valid = capture.valid.copy()
    valid[[3, 15]] = False
    replay = replay_of(replace(capture, valid=valid), None)
    np.testing.assert_array_equal(replay.frames, np.arange(4, 15))
    np.testing.assert_array_equal(replay.trajectory.c2w, capture.c2w[4:15].astype(np.float64))


def test_a_person_without_footage_is_refused(truth: tuple[Truth, Capture]) -> None:
    _, capture = truth
    sent = Person(**{field.name: getattr(capture, field.name) for field in fields(Person)})
    with pytest.raises(InputError, match="--replay needs the capture") as caught:
        look_of(LookOptions(replay=True), sent, (SIDE, SIDE))
    assert "\n" not in str(caught.value)
    assert look_of(LookOptions(replay=True), capture, (SIDE // 2, SIDE // 2)).size == (SIDE, SIDE)
