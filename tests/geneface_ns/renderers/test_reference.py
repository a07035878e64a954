"""The reference renderer: pictures of any size."""

from __future__ import annotations

from pathlib import Path

import torch

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.renderers.reference import ReferenceRenderer
from tests.geneface_ns.fakes import make_capture


def test_a_picture_may_have_any_size(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna", frames=11))
    # So few cells that each covers many pixels: they are marked in blocks, which need not divide the width.
    portrait = Portrait(capture, 1, PortraitConfig(sample_step=0.2, occupancy_resolution=4)).eval()
    renderer = ReferenceRenderer(portrait)
    condition = portrait.table(torch.zeros(1))
    for size in ((53, 60), (31, 17), (64, 64), (7, 90)):
        rgb = renderer.render(condition, renderer.camera.scaled_to(size)).rgb
        assert rgb.shape == (size[1], size[0], 3)
