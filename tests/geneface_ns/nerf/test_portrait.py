"""How the layers of a portrait lie over each other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.topology import TEMPLATE
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.labels import BACKGROUND, TORSO
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.motion.sequence import MotionFrame
from geneface_ns.nerf.losses import LossConfig
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.output.drive import render_one
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.compositing import lay_over, person_over_nothing
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.torso_loss import torso_losses
from geneface_ns.scene.truth import Truth
from geneface_ns.synthetic.exact_capture import write_exact_capture


def test_lay_over():
    red = torch.tensor([0.5, 0.0, 0.0])  # half opaque, premultiplied
    half = torch.tensor([0.5])
    green = [0.0, 1.0, 0.0]
    behind = lay_over(red, half, torch.tensor([*green, 0.0]))
    torch.testing.assert_close(behind, torch.tensor([0.5, 0.5, 0.0]))
    before = lay_over(red, half, torch.tensor([*green, 1.0]))
    torch.testing.assert_close(before, torch.tensor(green))


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> tuple[Portrait, FrameStore]:
    folder: Path = tmp_path_factory.mktemp("portrait") / "capture"
    write_exact_capture(folder, frames=22)
    capture = load_capture(folder)
    torch.manual_seed(0)
    portrait = Portrait(capture, 1, PortraitConfig(sample_step=0.05, occupancy_resolution=48)).eval()
    store = FrameStore(capture)
    start_from_pictures(portrait, store, np.flatnonzero(capture.is_train))
    return portrait, store


def render(portrait: Portrait, store: FrameStore, frame: int, underlay: np.ndarray | None = None) -> np.ndarray:
    capture = store.capture
    motion = MotionFrame(capture.landmarks.landmarks[frame], capture.landmarks.eye_openness[frame])
    return render_one(
        ReferenceRenderer(portrait, 4096), capture.c2w[frame], capture.body[frame], motion, store.size, underlay
    )


def test_hull_covers_the_head_and_leaves_the_rest_alone(portrait: tuple[Portrait, FrameStore]):
    model, store = portrait
    frame = store.frame(5)
    condition = model.table(torch.tensor([5 / 21]))
    mask = model.occupancy.image_mask(condition.c2w[0], model.camera.focal, model.camera.centre, store.size).numpy()
    assert mask[frame.head > 0].mean() > 0.98
    rendered = render(model, store, 5, frame.underlay)
    np.testing.assert_array_equal(rendered[~mask], frame.underlay[..., :3][~mask])


def test_the_moved_mean_torso_is_already_near_the_truth(portrait: tuple[Portrait, FrameStore]):
    # Body motion, canonical picture and compositing are all exact here: outside the head only blur is left.
    model, store = portrait
    frame = store.frame(20)  # of the test split
    model.occupancy.occupied.zero_()
    rendered = render(model, store, 20) / 255
    away = frame.head == 0
    error = np.mean((rendered[away] - frame.image[away] / 255) ** 2)
    assert -10 * np.log10(error) > 24


def test_condition_at_mixes_neighbours(portrait: tuple[Portrait, FrameStore]):
    model, _ = portrait
    between = model.table(torch.tensor([10.25 / 21, -1.0, 2.0]))
    table = model.table.landmarks
    torch.testing.assert_close(between.landmarks[0], 0.75 * table[10] + 0.25 * table[11], atol=1e-5, rtol=0)
    torch.testing.assert_close(between.c2w[0], model.table.c2w[10])
    torch.testing.assert_close(between.landmarks[1], table[0])
    torch.testing.assert_close(between.landmarks[2], table[-1])


def test_loading_a_checkpoint_leaves_the_capture_alone(portrait: tuple[Portrait, FrameStore]):
    _, store = portrait
    capture = store.capture
    before = [array.copy() for array in (capture.landmarks.landmarks, capture.c2w, capture.head_box, TEMPLATE)]
    model = Portrait(capture, 1, PortraitConfig(sample_step=0.05, occupancy_resolution=48))
    model.load_state_dict({n: v + 1 if v.is_floating_point() else v for n, v in model.state_dict().items()})
    for was, array in zip(before, (capture.landmarks.landmarks, capture.c2w, capture.head_box, TEMPLATE), strict=True):
        np.testing.assert_array_equal(array, was)


def test_the_person_over_the_own_background_is_the_picture(portrait: tuple[Portrait, FrameStore]):
    model, store = portrait
    condition = model.table(torch.tensor([5 / 21]))
    pixel = torch.rand(500, 2) * 2 - 1
    opacity = torch.rand(500, 1)
    head = torch.cat([torch.rand(500, 3) * opacity, opacity], dim=1)
    with torch.no_grad():
        rays = model.render_torso(condition, pixel, torch.zeros(500, dtype=torch.long), head)
    before = torch.rand(500, 1)
    person = person_over_nothing(head[:, :3], opacity, rays.torso, before)
    whole = lay_over(head[:, :3], opacity, rays._replace(before_head=before).underlay)
    torch.testing.assert_close(person[:, :3] + (1 - person[:, 3:]) * rays.background, whole)
    layers = ReferenceRenderer(model, 4096).render(condition, model.camera)
    assert layers.person is not None
    assert (layers.person[..., :3] <= layers.person[..., 3:]).all()
    labels = read_png(store.capture.layout.mask(5))
    alpha = layers.person[..., 3].numpy()
    assert alpha[labels == TORSO].mean() > 0.9
    assert alpha[labels == BACKGROUND].mean() < 0.1


def test_the_torso_learns_to_be_opaque():
    opacity = torch.tensor([[0.8], [0.2], [0.5]], requires_grad=True)
    plain = torch.zeros(3, 3)
    truth = Truth(
        image=plain,
        underlay=torch.tensor([[0.0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]),  # torso, background, head
        head=torch.tensor([[0.0], [0.0], [1.0]]),
        shown=torch.ones(3, 1),
        trust=torch.ones(3, 1),
    )
    sum(torso_losses(plain, truth.underlay, opacity, truth, LossConfig()).values()).backward()
    assert opacity.grad is not None
    assert torch.equal(opacity.grad.sign(), torch.tensor([[-1.0], [1.0], [0.0]]))
