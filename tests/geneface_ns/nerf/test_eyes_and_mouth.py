"""Every state of the eyes with every state of the mouth, against the exact picture: lids close, whatever is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audio_motion.topology import EYES, mouth_opening
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.nerf.draws import ray_source
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.synthetic.clip import Truth
from geneface_ns.synthetic.exact_capture import write_exact_capture

STEPS = 400
SHUT = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """Eyes in three states with a shut, a middle and the widest mouth, as rendered and as they are: [3, 3, h, w, 3]."""
    folder = tmp_path_factory.mktemp("eyes") / "capture"
    truth = write_exact_capture(folder, size=96, frames=220, fps=25.0)
    capture = load_capture(folder)
    portrait = trained(capture)
    order = np.argsort(mouth_opening(truth.landmarks))
    rendered, real = [], []
    for shut in SHUT:
        for mouth in order[[0, len(order) // 2, -1]]:
            pictures = both(portrait, truth, int(mouth), shut)
            rendered.append(pictures[0])
            real.append(pictures[1])
    shape = (len(SHUT), 3, *rendered[0].shape)
    return np.stack(rendered).reshape(shape), np.stack(real).reshape(shape)


def trained(capture: Capture) -> Portrait:
    config = TrainingConfig(head_steps=STEPS, coarse_steps=40, train_num_rays_per_batch=1024)
    torch.manual_seed(0)
    portrait = Portrait(capture, 1, PortraitConfig(sample_step=0.05, occupancy_resolution=48))
    frames = np.flatnonzero(capture.is_train)
    start_from_pictures(portrait, FrameStore(capture), frames)
    source = ray_source(capture, prepare(capture, 1, config.neck_reach), 1)
    for _ in train(portrait, source, torch.from_numpy(frames), STEPS, config):
        pass
    return portrait.eval()


def both(portrait: Portrait, truth: Truth, mouth: int, shut: float) -> tuple[np.ndarray, np.ndarray]:
    """The eyes of frame 0's pose with the mouth of another frame and lids so far shut: rendered, and drawn."""
    face = truth.with_face(0, mouth, blink_left=shut, blink_right=shut, gaze_x=0.0, gaze_y=0.0, brow=0.0)
    table = portrait.table(torch.zeros(1))
    condition = Condition(torch.from_numpy(face.landmarks), torch.from_numpy(face.eye_openness), table.c2w, table.body)
    rendered = ReferenceRenderer(portrait).render(condition, portrait.camera).rgb.numpy()
    x, y = truth.points2d[0, EYES].T
    rows, columns = slice(int(y.min()) - 3, int(y.max()) + 4), slice(int(x.min()) - 3, int(x.max()) + 4)
    return rendered[rows, columns], face.frame(0).rgb[rows, columns] / 255


def test_lids_close_whatever_is_said(grid: tuple[np.ndarray, np.ndarray]):
    """With frames and rays drawn as they come, 25.2 dB half shut and 27.4 dB shut."""
    rendered, real = grid
    psnr = -10 * np.log10(((rendered - real) ** 2).mean(axis=(2, 3, 4)))
    assert psnr[1].min() > 26
    assert psnr[2].min() > 29


def test_eyes_do_not_follow_the_mouth(grid: tuple[np.ndarray, np.ndarray]):
    rendered, _ = grid
    for mouth in (1, 2):
        assert np.sqrt(((rendered[:, mouth] - rendered[:, 0]) ** 2).mean()) < 1 / 255
