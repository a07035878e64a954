"""The head of Gaussians on the procedural person: where it begins, what moves it, and that it learns."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from audio_motion.errors import InputError
from audio_motion.topology import MOUTH
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import RaySource
from geneface_ns.scene.frames import Frame, FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.stages import make_optimizer
from geneface_ns.scene.truth import psnr
from geneface_ns.splat.attachment import LOWER_LIP
from geneface_ns.splat.draws import ray_source
from geneface_ns.splat.frozen_heads import FrozenHeads
from geneface_ns.splat.head import Gaussians, draw_head
from geneface_ns.splat.loop import SplatTrainingConfig, learn, train
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.surface import JAW, SKIN, SKULL, Surface, head_surface
from geneface_ns.splat.training import parameter_groups
from geneface_ns.synthetic.exact_capture import write_exact_capture

CONFIG = SplatTrainingConfig(gaussians=3000)


class Person(NamedTuple):
    capture: Capture
    store: FrameStore
    source: RaySource
    surface: Surface
    portrait: SplatPortrait
    frames: Tensor


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """The procedural person, with an untrained head."""
    folder: Path = tmp_path_factory.mktemp("splat") / "capture"
    write_exact_capture(folder, size=96, frames=33)
    capture = load_capture(folder)
    store = FrameStore(capture)
    source = ray_source(capture, prepare(capture, 1, CONFIG.neck_reach), 1, CONFIG.margin)
    surface = head_surface(capture, store, 3000)
    frames = torch.from_numpy(np.flatnonzero(capture.is_train))
    torch.manual_seed(0)
    portrait = SplatPortrait(capture, 1, SplatPortraitConfig())
    portrait.head.begin_on(surface, CONFIG.sigma)
    return Person(capture, store, source, surface, portrait, frames)


def in_picture(points: Tensor, portrait: SplatPortrait, c2w: Tensor) -> Tensor:
    """Pixels [N, 2] of points in the head frame, by nerfstudio's convention."""
    local = (points - c2w[:3, 3]) @ c2w[:3, :3]
    flat = local[:, :2] / -local[:, 2:] * torch.tensor([1.0, -1.0])
    return flat * torch.tensor(portrait.camera.focal) + torch.tensor(portrait.camera.centre)


def test_it_begins_on_the_head(person: Person):
    surface = person.surface
    assert 0.85 * 3000 < len(surface.places) < 1.15 * 3000
    frame = int(person.frames[5])
    head = person.store.frame(frame).head > 0
    at = (
        in_picture(torch.from_numpy(surface.places), person.portrait, person.portrait.table.c2w[frame])
        .numpy()
        .astype(int)
    )
    inside = (at >= 0).all(axis=1) & (at < 96).all(axis=1)
    at = at[inside]
    assert head[at[:, 1], at[:, 0]].mean() > 0.97
    covered = np.zeros((96, 96), np.uint8)
    covered[at[:, 1], at[:, 0]] = 1
    solid = person.store.frame(frame).head == 255
    assert cv2.dilate(covered, np.ones((5, 5)))[solid].mean() > 0.99  # it leaves no hole
    mean = person.capture.mean_landmarks
    lips = surface.places[surface.kind == SKIN]
    near = np.linalg.norm(lips[:, None, :2] - mean[None, MOUTH, :2], axis=2).min(axis=1) < 0.03
    assert abs(np.median(lips[near, 2]) - mean[MOUTH, 2].mean()) < 0.04
    assert surface.places[surface.kind == SKULL, 2].max() < mean[MOUTH, 2].max()
    assert surface.places[surface.kind == JAW, 1].max() < surface.places[surface.kind == SKULL, 1].min()


def test_no_skin_hides_the_mouths_inside(person: Person):
    mean, surface = person.capture.mean_landmarks, person.surface
    lips = mean[60:68, :2].astype(np.float32)
    between = [cv2.pointPolygonTest(lips, place, False) > 0 for place in surface.places[:, :2].tolist()]
    assert set(surface.kind[between]) == {SKULL, JAW}


def test_it_says_where_no_head_can_begin(person: Person):
    with pytest.raises(InputError, match="0 Gaussians make no head; ask for at least 1200"):
        head_surface(person.capture, person.store, 0)

    class Empty(FrameStore):
        def frame(self, index: int) -> Frame:
            frame = super().frame(index)
            return frame._replace(head=np.zeros_like(frame.head))

    with pytest.raises(InputError, match=r"\.png: no head in it, where the head should begin"):
        head_surface(person.capture, Empty(person.capture), 3000)


def test_landmarks_move_it(person: Person):
    head = person.portrait.head
    condition = person.portrait.table(torch.tensor([0.0]))
    still = condition._replace(landmarks=head.mean[None])
    opened = head.mean.clone()
    opened[6:11, 1] -= 0.1  # the chin goes down
    with torch.no_grad():
        moved = head(still._replace(landmarks=opened[None])).means - head(still).means
    kind = torch.from_numpy(person.surface.kind)
    assert not moved[kind == SKULL].any()
    torch.testing.assert_close(moved[kind == JAW, 1], torch.full((int((kind == JAW).sum()),), -0.1))
    at_chin = (head.means - head.mean[8]).norm(dim=1).argsort()[:5]
    assert (moved[at_chin, 1] < -0.05).all()
    at_brows = (head.means - head.mean[19]).norm(dim=1).argsort()[:5]
    assert (moved[at_brows].abs() < 0.01).all()


def test_lips_part_as_their_landmarks_do(person: Person):
    """What lies on one lip stays where the other one leaves it, however near the two are in the mean face."""
    head = person.portrait.head
    still = person.portrait.table(torch.tensor([0.0]))._replace(landmarks=head.mean[None])
    opened = head.mean.clone()
    opened[LOWER_LIP, 1] -= 0.05
    with torch.no_grad():
        moved = head(still._replace(landmarks=opened[None])).means - head(still).means
    skin = torch.from_numpy(person.surface.kind) == SKIN
    mean, places = head.mean, head.means.detach()
    gap = float(mean[62, 1] - mean[66, 1])
    assert gap < 0.05  # nearer than a landmark reaches
    middle = (mean[62, :2] + mean[66, :2]) / 2
    near = skin & ((places[:, 0] - middle[0]).abs() < 0.04)
    above = near & (places[:, 1] > middle[1] + 0.005) & (places[:, 1] < mean[51, 1])
    below = near & (places[:, 1] < middle[1] - 0.005) & (places[:, 1] > mean[57, 1])
    assert min(int(above.sum()), int(below.sum())) > 5
    assert not moved[above].any()
    assert (moved[below, 1] < -0.04).all()


def test_the_basis_is_local(person: Person):
    head = copy.deepcopy(person.portrait.head)
    condition = person.portrait.table(torch.tensor([0.3]))
    with torch.no_grad():
        before = head(condition)
        head.mouth_basis.normal_(generator=torch.Generator().manual_seed(0))
        after = head(condition)
    far = (head.means - head.mean[MOUTH].mean(dim=0)).norm(dim=1) > 0.5
    assert 0 < int(far.sum()) < len(far)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[far], other[far])
        assert not torch.equal(one, other)


def test_a_camera_is_nerfstudios(person: Person):
    """A small Gaussian at each of three landmarks is where the capture's camera sees them; a part of a picture is the
    whole one's."""
    portrait = person.portrait
    c2w, width = portrait.table.c2w[3], portrait.camera.size[0]
    for index in (8, 27, 45):
        point = portrait.table.landmarks[3, index]
        one = Gaussians(
            point[None], torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 1e-3), torch.ones(1), torch.ones(1, 3)
        )
        colour, opacity = draw_head(one, portrait.camera, c2w, 1)
        pixel = in_picture(point[None], portrait, c2w)[0]
        peak = int(opacity.argmax())
        assert (torch.tensor([peak % width, peak // width]) + 0.5 - pixel).abs().max() <= 0.5
        box = (20, 30, 61, 77)
        part = draw_head(one, portrait.camera, c2w, 1, box)
        torch.testing.assert_close(part[0], colour[30:77, 20:61], rtol=1e-4, atol=1e-5)


def test_boxes_hold_head_mouth_and_eyes(person: Person):
    for frame in (0, 17):
        head = person.store.frame(frame).head > 0
        boxes = person.source.boxes[frame].tolist()
        x0, y0, x1, y1 = boxes[0]
        assert head[y0:y1, x0:x1].sum() == head.sum()
        assert (x1 - x0) * (y1 - y0) < 4 * head.sum()
        c2w, landmarks = person.portrait.table.c2w[frame], person.portrait.table.landmarks[frame]
        for box, points in ((boxes[1], slice(48, 68)), (boxes[2], slice(36, 48)), (boxes[3], slice(0, 68))):
            at = in_picture(landmarks[points], person.portrait, c2w)
            assert (at >= torch.tensor(box[:2])).all()
            assert (at <= torch.tensor(box[2:])).all()
        assert boxes[3] == [0, 0, 96, 96]


def over_real(person: Person, portrait: SplatPortrait, frame: int) -> float:
    """dB of the head over the real torso."""
    real = person.store.frame(frame)
    with torch.no_grad():
        colour, opacity = portrait.draw_head(portrait.table(person.source.times[frame : frame + 1]), 2)
    underlay = torch.from_numpy(real.underlay) / 255
    return float(psnr(lay_over(colour, opacity, underlay).clamp(0, 1), torch.from_numpy(real.image) / 255))


def trained(person: Person, steps: int, config: SplatTrainingConfig) -> tuple[SplatPortrait, list[dict[str, Tensor]]]:
    portrait = copy.deepcopy(person.portrait)
    return portrait, list(train(portrait, person.source, person.frames, steps, config))


def test_it_learns_what_test_frames_show(person: Person):
    portrait, terms = trained(person, 150, replace(CONFIG, head_steps=150))
    test = np.flatnonzero(~person.capture.is_train)
    before, after = ([over_real(person, each, int(i)) for i in test] for each in (person.portrait, portrait))
    assert np.mean(after) > np.mean(before) + 3
    assert set(terms[0]) == {"rgb", "mask", "basis"}


def test_a_training_follows_from_its_steps_alone(person: Person):
    states = []
    for threads in (1, 2):
        torch.manual_seed(threads)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            states.append(trained(person, 6, replace(CONFIG, head_steps=6))[0].state_dict())
        finally:
            torch.set_num_threads(before)
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    assert not torch.equal(states[0]["head.colors"], person.portrait.head.colors)


def test_a_loss_that_is_not_finite_is_named(person: Person):
    portrait = copy.deepcopy(person.portrait)
    with torch.no_grad():
        portrait.head.colors[:] = torch.nan
    optimizer = make_optimizer(parameter_groups(portrait))
    with pytest.raises(FloatingPointError, match="loss term 'rgb' is nan at step 0"):
        learn(portrait, optimizer, person.source, person.frames, 0, CONFIG, FrozenHeads(portrait))
