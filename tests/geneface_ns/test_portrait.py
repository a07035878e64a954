"""How the layers of a portrait lie over each other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from geneface_ns.data.capture import load_capture
from geneface_ns.data.frames import FrameStore
from geneface_ns.fields.head import HeadFieldConfig
from geneface_ns.fields.torso import TorsoFieldConfig
from geneface_ns.portrait import Portrait, lay_over
from tests.geneface_ns.exact_capture import write_exact_capture


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
    portrait = Portrait(capture, 1, HeadFieldConfig(), TorsoFieldConfig(), 0.05, 48, 4096).eval()
    store = FrameStore(capture)
    portrait.start_from_pictures(store, np.flatnonzero(capture.is_train))
    return portrait, store


def render(portrait: Portrait, store: FrameStore, frame: int, **more: torch.Tensor) -> torch.Tensor:
    capture = store.capture
    return portrait.render_frame(
        torch.from_numpy(capture.c2w[frame]),
        torch.from_numpy(capture.landmarks.landmarks[frame]),
        torch.from_numpy(capture.landmarks.eye_openness[frame]),
        torch.from_numpy(capture.body[frame]),
        store.size,
        **more,
    )


def test_hull_covers_the_head_and_leaves_the_rest_alone(portrait: tuple[Portrait, FrameStore]):
    model, store = portrait
    frame = store.frame(5)
    condition = model.condition_at(torch.tensor([5 / 21]))
    mask = model.occupancy.image_mask(condition.c2w[0], model.camera.focal, model.camera.centre, store.size).numpy()
    assert mask[frame.head > 0].mean() > 0.98
    underlay = torch.from_numpy(frame.underlay).float() / 255
    rendered = render(model, store, 5, underlay=underlay)
    torch.testing.assert_close(rendered[~mask], underlay[..., :3][~mask])


def test_the_moved_mean_torso_is_already_near_the_truth(portrait: tuple[Portrait, FrameStore]):
    # Body motion, canonical picture and compositing are all exact here: outside the head only blur is left.
    model, store = portrait
    frame = store.frame(20)  # of the test split
    model.occupancy.occupied.zero_()
    rendered = render(model, store, 20).numpy()
    away = frame.head == 0
    error = np.mean((rendered[away] - frame.image[away] / 255) ** 2)
    assert -10 * np.log10(error) > 24


def test_condition_at_mixes_neighbours(portrait: tuple[Portrait, FrameStore]):
    model, _ = portrait
    between = model.condition_at(torch.tensor([10.25 / 21, -1.0, 2.0]))
    table = model.table_landmarks
    torch.testing.assert_close(between.landmarks[0], 0.75 * table[10] + 0.25 * table[11], atol=1e-5, rtol=0)
    torch.testing.assert_close(between.c2w[0], model.table_c2w[10])
    torch.testing.assert_close(between.landmarks[1], table[0])
    torch.testing.assert_close(between.landmarks[2], table[-1])
