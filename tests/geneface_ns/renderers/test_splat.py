"""The renderer of Gaussians against plain torch, on portraits of drawn weights: nothing in them is smooth or zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.renderers.board import board_of
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.renderers.contract import Layers
from geneface_ns.renderers.splat import SplatRenderer
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.compositing import lay_over, person_over_nothing
from geneface_ns.scene.condition import Condition
from geneface_ns.splat.head import FLIP
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.reference import blend, project
from geneface_ns.splat.surface import Surface
from tests.geneface_ns.fakes import make_capture


def drawn(folder: Path, seed: int = 0) -> SplatPortrait:
    """A portrait whose weights are drawn: a cloud of Gaussians before a torso that is everywhere another one."""
    capture = load_capture(make_capture(folder / "anna", frames=11))
    torch.manual_seed(seed)
    portrait = SplatPortrait(capture, 1, SplatPortraitConfig()).eval()
    generator = np.random.default_rng(seed)
    # Over half of the picture.
    low, high = portrait.head.mean.min(dim=0).values.numpy(), portrait.head.mean.max(dim=0).values.numpy()
    high[0] = 0
    count = 300
    surface = Surface(
        generator.uniform(low, high, (count, 3)).astype(np.float32),
        generator.uniform(0, 1, (count, 3)).astype(np.float32),
        np.full(count, 0.03, np.float32),
        generator.integers(0, 3, count),
    )
    portrait.head.begin_on(surface, 0.06)
    with torch.no_grad():
        for name, weight in portrait.named_parameters():
            scale = weight.abs().mean().clamp_min(0.05) if "picture" not in name else 0.3
            weight.add_(torch.randn_like(weight) * (0.1 * scale if name == "head.means" else 0.3 * scale))
        for ends in (portrait.head.encoder.lower_ends, portrait.head.encoder.upper_ends):
            ends.copy_(torch.tensor([[-1.0], [1.0]]).expand_as(ends))
    return portrait


def condition_of(portrait: SplatPortrait, time: float) -> Condition:
    condition = portrait.table(torch.tensor([time]))
    moved = condition.landmarks + 0.03 * torch.randn(condition.landmarks.shape, generator=torch.manual_seed(1))
    return condition._replace(landmarks=moved, eye_openness=condition.eye_openness + torch.tensor([[0.1, -0.2]]))


@torch.no_grad()
def plain(
    portrait: SplatPortrait, condition: Condition, camera: Pinhole, c2w: Tensor | None, underlay: Tensor | None = None
) -> Layers:
    """What the portrait says, every Gaussian in every pixel."""
    width, height = camera.size
    pose = condition.c2w[0] if c2w is None else c2w
    gaussians = portrait.head(condition)
    view = torch.linalg.inv(pose @ torch.diag(FLIP))
    lens = torch.eye(3)
    lens[0, 0], lens[1, 1] = camera.focal
    lens[:2, 2] = torch.tensor(camera.centre)
    means2d, conics, depths = project(*gaussians[:3], view[None], lens[None], camera.size, 0.3)
    distance = (gaussians.means - pose[:3, 3]).norm(dim=1, keepdim=True)
    colours = torch.cat([gaussians.colors, distance], dim=1)
    head, opacity = blend(means2d[0], conics[0], gaussians.opacities, colours, depths[0].argsort(), camera.size)
    flat = torch.cat([head[..., :3], opacity], dim=2).view(-1, 4)
    person = None
    if underlay is None:
        board = board_of(portrait.camera, camera, condition.c2w[0], c2w)
        torso = portrait.render_torso(condition, board, torch.zeros(width * height, dtype=torch.long), flat)
        around = torso.underlay
        person = person_over_nothing(flat[:, :3], flat[:, 3:], torso.torso, torso.before_head).clamp(0, 1)
        person = torch.cat([torch.minimum(person[:, :3], person[:, 3:]), person[:, 3:]], dim=1)
        person = person.view(height, width, 4)
    else:
        around = underlay.view(-1, 4)
    rgb = lay_over(flat[:, :3], flat[:, 3:], around).clamp(0, 1).view(height, width, 3)
    return Layers(rgb, head[..., :3], opacity, head[..., 3:] / opacity.clamp_min(1e-4), person)


def decibels(ours: Tensor, theirs: Tensor) -> float:
    return float(-10 * torch.log10((ours - theirs).square().mean().clamp_min(1e-12)))


def assert_alike(ours: Layers, theirs: Layers) -> None:
    assert 0.05 < float(theirs.opacity.mean()) < 0.9
    assert float(theirs.rgb.std()) > 0.05
    for name in ("rgb", "head", "opacity", "person"):
        one, other = getattr(ours, name), getattr(theirs, name)
        if other is None:
            assert one is None
            continue
        assert one.shape == other.shape
        assert decibels(one, other) > 50, name
    there = theirs.opacity > 0.1
    assert float((ours.depth - theirs.depth)[there].abs().median()) < 1e-3


def turned(c2w: Tensor, degrees: float) -> Tensor:
    """The camera walked around the head."""
    angle = torch.tensor(degrees).deg2rad()
    around = torch.eye(4)
    around[0, 0] = around[2, 2] = angle.cos()
    around[0, 2], around[2, 0] = angle.sin(), -angle.sin()
    return around @ c2w


def test_its_pictures_are_plain_torchs(tmp_path: Path):
    portrait = drawn(tmp_path)
    renderer = choose_renderer(portrait)
    assert isinstance(renderer, SplatRenderer)
    own = portrait.camera
    for time, size, degrees in ((0.0, own.size, None), (0.6, (75, 51), None), (0.4, (60, 60), 25.0)):
        condition, camera = condition_of(portrait, time), own.scaled_to(size)
        c2w = None if degrees is None else turned(condition.c2w[0], degrees)
        assert_alike(renderer.render(condition, camera, c2w), plain(portrait, condition, camera, c2w))


def test_an_underlay_stands_for_the_torso(tmp_path: Path):
    portrait = drawn(tmp_path)
    condition, camera = condition_of(portrait, 0.3), portrait.camera
    underlay = torch.rand(camera.size[1], camera.size[0], 4, generator=torch.manual_seed(0))
    ours = SplatRenderer(portrait).render(condition, camera, underlay=underlay)
    assert_alike(ours, plain(portrait, condition, camera, None, underlay))


def test_what_is_wanted_is_the_whole_pictures(tmp_path: Path):
    portrait = drawn(tmp_path)
    condition, camera = condition_of(portrait, 0.3), portrait.camera
    renderer = SplatRenderer(portrait)
    wanted = torch.zeros(camera.size[1], camera.size[0], dtype=torch.bool)
    wanted[camera.size[1] // 2 :, camera.size[0] // 3 : camera.size[0] // 2] = True
    whole, part = renderer.render(condition, camera), renderer.render(condition, camera, wanted=wanted)
    assert whole.opacity[wanted].any()
    for one, other in ((part.rgb, whole.rgb), (part.opacity, whole.opacity)):
        assert torch.equal(one[wanted], other[wanted])


def test_a_training_that_goes_on_is_seen(tmp_path: Path):
    portrait = drawn(tmp_path)
    condition, camera = condition_of(portrait, 0.3), portrait.camera
    renderer = SplatRenderer(portrait)
    before = renderer.render(condition, camera)
    with torch.no_grad():
        portrait.torso.torso_picture.add_(0.2)
        portrait.head.colors.mul_(0.5)
    after = renderer.render(condition, camera)
    assert not torch.equal(before.head, after.head)
    assert_alike(after, plain(portrait, condition, camera, None))


def test_no_other_renderer_draws_gaussians(tmp_path: Path):
    portrait = drawn(tmp_path)
    assert isinstance(choose_renderer(portrait, "cpu"), SplatRenderer)
    with pytest.raises(InputError, match="--renderer reference: a head of Gaussians has none"):
        choose_renderer(portrait, "reference")
