"""The head is opaque: what lies behind it must not shine through, whatever its colour."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf.draws import ray_source
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.synthetic.exact_capture import write_exact_capture

STEPS = 360


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person before a wall of the mean colour of its head, where a translucent head goes unnoticed."""
    folder = tmp_path_factory.mktemp("opacity") / "capture"
    write_exact_capture(folder, size=96, frames=22)
    capture = load_capture(folder)
    layout, store = capture.layout, FrameStore(capture)
    heads = [store.frame(i) for i in range(len(capture))]
    skin = np.concatenate([frame.image[frame.head == 255] for frame in heads]).mean(axis=0).round().astype(np.uint8)
    for i in range(len(capture)):
        image, labels = cv2.imread(str(layout.image(i))), cv2.imread(str(layout.mask(i)), cv2.IMREAD_GRAYSCALE)
        image[labels == 0] = skin[::-1]
        cv2.imwrite(str(layout.image(i)), image)
    cv2.imwrite(str(layout.background), np.broadcast_to(skin[::-1], (capture.height, capture.width, 3)))
    return folder


def opacity_inside(folder: Path, random_underlay: float) -> np.ndarray:
    """Opacity in the middle of the head after a short training, all pixels of three frames."""
    capture = load_capture(folder)
    store = FrameStore(capture)
    config = TrainingConfig(
        head_steps=STEPS, coarse_steps=40, train_num_rays_per_batch=1024, random_underlay=random_underlay
    )
    torch.manual_seed(0)
    portrait = Portrait(capture, 1, PortraitConfig(sample_step=0.05, occupancy_resolution=48))
    frames = np.flatnonzero(capture.is_train)
    start_from_pictures(portrait, store, frames)
    source = ray_source(capture, prepare(capture, 1, config.neck_reach), 1)
    for _ in train(portrait, source, torch.from_numpy(frames), STEPS, config):
        pass
    renderer, inside = ReferenceRenderer(portrait.eval()), []
    for frame in (2, 10, 21):
        layers = renderer.render(portrait.table(torch.from_numpy(capture.times[[frame]])), portrait.camera)
        middle = cv2.erode((store.frame(frame).head == 255).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        inside.append(layers.opacity[..., 0].numpy()[middle])
    return np.concatenate(inside)


def test_a_wall_of_the_skins_brightness_does_not_shine_through(folder: Path):
    whole = opacity_inside(folder, TrainingConfig().random_underlay)
    assert whole.mean() > 0.995
    assert np.quantile(whole, 0.05) > 0.97
    # Without random colours behind it the test's person is translucent: that is what they are for.
    assert opacity_inside(folder, 0.0).mean() < 0.97
