"""The portrait of Gaussians on the procedural person: its two stages, what it learns, and that it is found again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import RaySource, draw_picture
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.truth import psnr
from geneface_ns.splat import frozen_heads
from geneface_ns.splat.draws import ray_source
from geneface_ns.splat.frozen_heads import FrozenHeads
from geneface_ns.splat.loop import SplatTrainingConfig, train
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.training import render_rays
from geneface_ns.splat.warm_start import start_from_pictures
from geneface_ns.synthetic.exact_capture import write_exact_capture

HEAD, STEPS = 150, 230
CONFIG = SplatTrainingConfig(gaussians=3000, head_steps=HEAD, train_num_rays_per_batch=1024)


class Trained(NamedTuple):
    capture: Capture
    store: FrameStore
    source: RaySource
    begun: dict[str, Tensor]
    """The state before the first step."""
    halfway: dict[str, Tensor]
    """And after the last of the head's."""
    portrait: SplatPortrait
    terms: list[set[str]]


def copied(portrait: SplatPortrait) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in portrait.state_dict().items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder: Path = tmp_path_factory.mktemp("splat") / "capture"
    write_exact_capture(folder, size=64, frames=33)
    capture = load_capture(folder)
    store = FrameStore(capture)
    source = ray_source(capture, prepare(capture, 1, CONFIG.neck_reach), 1, CONFIG.margin)
    frames = np.flatnonzero(capture.is_train & capture.valid)
    torch.manual_seed(0)
    portrait = SplatPortrait(capture, 1, SplatPortraitConfig())
    start_from_pictures(portrait, store, frames, CONFIG)
    begun, halfway, terms = copied(portrait), {}, []
    for step, found in enumerate(train(portrait, source, torch.from_numpy(frames), STEPS, CONFIG)):
        terms.append(set(found))
        if step == HEAD - 1:
            halfway = copied(portrait)
    return Trained(capture, store, source, begun, halfway, portrait, terms)


def test_the_head_learns_and_then_the_torso(trained: Trained):
    assert trained.terms == [{"rgb", "mask", "basis"}] * HEAD + [{"rgb", "torso_mask", "underlay"}] * (STEPS - HEAD)
    for name, end in trained.portrait.state_dict().items():
        begun, halfway = trained.begun[name], trained.halfway[name]
        assert torch.equal(begun, halfway) or name.startswith("head."), name
        assert torch.equal(halfway, end) or name.startswith("torso."), name
    for name in ("head.means", "head.mouth_basis", "head.network.0.weight"):
        assert not torch.equal(trained.begun[name], trained.halfway[name]), name
    # The torso sees the head, with gradients.
    for name in ("torso.head_encoder.weight", "torso.torso_picture", "torso.colour.4.weight"):
        assert not torch.equal(trained.halfway[name], trained.portrait.state_dict()[name]), name


@torch.no_grad()
def drawn(portrait: SplatPortrait, index: int, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Head, its opacity, and the whole picture, [H, W, C]."""
    condition = portrait.table(torch.tensor([index / (frames - 1)]))
    width, height = portrait.camera.size
    colour, opacity = portrait.draw_head(condition, 1)
    x, y = (torch.arange(width) + 0.5) / width * 2 - 1, (torch.arange(height) + 0.5) / height * 2 - 1
    pixel = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).view(-1, 2)
    flat = torch.cat([colour, opacity], dim=2).view(-1, 4)
    torso = portrait.render_torso(condition, pixel, torch.zeros(len(pixel), dtype=torch.long), flat)
    rgb = lay_over(flat[:, :3], flat[:, 3:], torso.underlay)
    return colour, opacity, rgb.view(height, width, 3)


def test_it_shows_what_test_frames_show(trained: Trained):
    count = len(trained.capture)
    found = []
    for index in np.flatnonzero(~trained.capture.is_train):
        real = trained.store.frame(int(index))
        _, opacity, rgb = drawn(trained.portrait, int(index), count)
        solid = torch.from_numpy(real.head == 255) & torch.from_numpy(real.underlay[..., 3] == 0)
        assert float(opacity[solid].mean()) > 0.97  # nothing shines through
        found.append(float(psnr(rgb.clamp(0, 1), torch.from_numpy(real.image) / 255)))
    assert np.mean(found) > 24  # 15 without training


def test_heads_that_no_room_is_left_for_are_drawn_again(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    rays, _ = draw_picture(trained.source, torch.tensor([3, 20]), 5, CONFIG)
    kept = FrozenHeads(trained.portrait).at(rays, 1)
    monkeypatch.setattr(frozen_heads, "HELD_BYTES", 0)
    crowded = FrozenHeads(trained.portrait)
    assert torch.equal(crowded.at(rays, 1), kept)
    assert not crowded._kept
    assert kept[:, 3].max() > 0.9


def test_pixels_are_those_of_whole_pictures(trained: Trained):
    portrait, count = trained.portrait, len(trained.capture)
    frames = torch.tensor([3, 20])
    heads = FrozenHeads(portrait)
    for step in (4, 5):
        rays, _ = draw_picture(trained.source, frames, step, CONFIG)
        with torch.no_grad():
            rendered = render_rays(portrait, heads, rays, 1)
    assert len(heads._kept) == 2  # and were not drawn again
    assert rendered.rgb is not None
    width, height = portrait.camera.size
    at = ((rays.pixel + 1) / 2 * torch.tensor([width, height])).long()
    for index in (3, 20):
        own = (rays.times * (count - 1)).round() == index
        assert own.any()
        _, opacity, rgb = drawn(portrait, index, count)
        torch.testing.assert_close(rendered.rgb[own], rgb[at[own, 1], at[own, 0]], rtol=0, atol=1 / 250)
        torch.testing.assert_close(rendered.opacity[own], opacity[at[own, 1], at[own, 0]], rtol=0, atol=1 / 500)


def test_a_state_brings_its_gaussians(trained: Trained):
    portrait = SplatPortrait(trained.capture, 1, SplatPortraitConfig())
    _, opacity, _ = drawn(portrait, 0, len(trained.capture))  # as before the first step
    assert not opacity.any()
    kept = [id(parameter) for parameter in portrait.parameters()]
    state = trained.portrait.state_dict()
    portrait.load_state_dict(state)
    assert [id(parameter) for parameter in portrait.parameters()] == kept  # an optimizer may have them
    for name, value in portrait.state_dict().items():
        assert torch.equal(value, state[name]), name
    for one, other in zip(*(drawn(each, 7, 33) for each in (portrait, trained.portrait)), strict=True):
        assert torch.equal(one, other)


def test_a_state_that_does_not_fit_is_refused(trained: Trained):
    state = trained.portrait.state_dict()
    far = state["head.near_mouth"].clone()
    far[0] = 1 << 40
    for name, value in (
        ("head.near_mouth", far),
        ("head.near_eyes", state["head.near_eyes"] - 5000),
        ("head.colors", state["head.colors"][1:]),
        ("head.means", state["head.means"][0, 0]),
    ):
        portrait = SplatPortrait(trained.capture, 1, SplatPortraitConfig())
        with pytest.raises(RuntimeError, match=name):
            portrait.load_state_dict({**state, name: value})
