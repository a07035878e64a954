"""The CPU's renderer against the reference, on portraits of drawn weights: nothing in them is smooth, small or zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf.head import HeadFieldConfig
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.renderers.contract import Layers
from geneface_ns.renderers.cpu import CpuRenderer
from geneface_ns.renderers.packed import packed
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.torso import TorsoFieldConfig
from tests.geneface_ns.fakes import make_capture

ONE_LEVEL = HeadFieldConfig(plane_resolutions=(64,), plane_channels=16)
SIZES = {
    "the usual sizes": PortraitConfig(head=ONE_LEVEL),
    "sizes that fill no vector": PortraitConfig(
        HeadFieldConfig((20,), 19, 11, 5, 37, warp_resolution=9), TorsoFieldConfig((5, 9, 16), 3, 7, 21), 0.05, 17
    ),
    "nothing moves by itself": PortraitConfig(
        HeadFieldConfig((33,), 8, move_points=False), TorsoFieldConfig((16,), use_body_motion=False)
    ),
}


def drawn(folder: Path, config: PortraitConfig, seed: int = 0) -> Portrait:
    """A portrait whose weights are drawn: a cloud of cells before a torso that is everywhere another one."""
    capture = load_capture(make_capture(folder / "anna", frames=11))
    torch.manual_seed(seed)
    portrait = Portrait(capture, 1, config).eval()
    with torch.no_grad():
        for name, weight in portrait.named_parameters():
            scale = weight.abs().mean().clamp_min(0.05) if "picture" not in name else 0.3
            weight.add_(torch.randn_like(weight) * scale)
        portrait.head.rest[3].bias[3] += 4.5
        # Codes of a face that never moved in training are held at nothing.
        for ends in (portrait.head.encoder.lower_ends, portrait.head.encoder.upper_ends):
            ends.copy_(torch.tensor([[-1.0], [1.0]]).expand_as(ends))
        cells = portrait.occupancy.occupied
        cells.copy_(torch.rand(cells.shape) < 0.02)
        cells[:, : len(cells) // 3] = False
    return portrait


def condition_of(portrait: Portrait, time: float):  # type: ignore[no-untyped-def]
    condition = portrait.table(torch.tensor([time]))
    moved = condition.landmarks + 0.03 * torch.randn(condition.landmarks.shape, generator=torch.manual_seed(1))
    return condition._replace(landmarks=moved, eye_openness=condition.eye_openness + torch.tensor([[0.1, -0.2]]))


def decibels(ours: Tensor, theirs: Tensor) -> float:
    """PSNR without the two worst pixels: a ray that touches the corner of a lone cell may as well miss it."""
    error = (ours - theirs).square().mean(dim=-1).flatten().sort().values[:-2]
    return float(-10 * torch.log10(error.mean().clamp_min(1e-12)))


def assert_alike(ours: Layers, theirs: Layers, least: float) -> None:
    assert 0.05 < float(theirs.opacity.mean()) < 0.9
    assert float(theirs.rgb.std()) > 0.05
    for name in ("rgb", "head", "opacity", "person"):
        one, other = getattr(ours, name), getattr(theirs, name)
        if other is None:
            assert one is None
            continue
        assert one.shape == other.shape
        assert decibels(one, other) > least, name
    there = theirs.opacity > 0.1
    assert float((ours.depth - theirs.depth)[there].abs().median()) < 1e-3


@pytest.mark.parametrize("sizes", SIZES)
def test_one_level_of_planes_is_drawn_as_the_reference_draws_it(tmp_path: Path, sizes: str) -> None:
    portrait = drawn(tmp_path, SIZES[sizes])
    ours, theirs = CpuRenderer(portrait), ReferenceRenderer(portrait)
    for size in ((64, 64), (53, 33)):
        condition = condition_of(portrait, 0.4)
        camera = portrait.camera.scaled_to(size)
        assert_alike(ours.render(condition, camera), theirs.render(condition, camera), 65)


def test_levels_of_planes_are_merged_at_50_decibels_and_more(tmp_path: Path) -> None:
    portrait = drawn(tmp_path, PortraitConfig())
    condition, camera = condition_of(portrait, 0.4), portrait.camera.scaled_to((64, 64))
    ours, theirs = (
        CpuRenderer(portrait).render(condition, camera),
        ReferenceRenderer(portrait).render(condition, camera),
    )
    assert_alike(ours, theirs, 50)


def test_from_beside_and_behind_and_over_an_underlay(tmp_path: Path) -> None:
    portrait = drawn(tmp_path, SIZES["the usual sizes"])
    condition, camera = condition_of(portrait, 0.4), portrait.camera.scaled_to((48, 48))
    for degrees in (0, 35, 100, 180):
        turn = np.deg2rad(degrees)
        around = torch.eye(4)
        around[0, 0], around[0, 2], around[2, 0], around[2, 2] = np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn)
        c2w = around @ condition.c2w[0]
        pictures = [renderer(portrait).render(condition, camera, c2w) for renderer in (CpuRenderer, ReferenceRenderer)]
        assert_alike(*pictures, 60)
    underlay = torch.rand(48, 48, 4, generator=torch.manual_seed(2))
    pictures = [x(portrait).render(condition, camera, underlay=underlay) for x in (CpuRenderer, ReferenceRenderer)]
    assert_alike(*pictures, 65)


def test_a_training_that_goes_on_is_seen(tmp_path: Path) -> None:
    portrait = drawn(tmp_path, SIZES["the usual sizes"])
    renderer, camera = CpuRenderer(portrait), portrait.camera.scaled_to((48, 48))
    condition = condition_of(portrait, 0.4)
    before = renderer.render(condition, camera)
    optimiser = torch.optim.Adam(portrait.parameters(), lr=0.05)
    for weight in portrait.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.step()
    portrait.occupancy.occupied[20:40, 50:60] = True
    after = renderer.render(condition, camera)
    assert decibels(after.rgb, before.rgb) < 30
    assert_alike(after, ReferenceRenderer(portrait).render(condition, camera), 65)


def test_threads_change_nothing(tmp_path: Path) -> None:
    portrait = drawn(tmp_path, SIZES["the usual sizes"])
    condition, camera = condition_of(portrait, 0.4), portrait.camera.scaled_to((48, 50))
    pictures = []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        pictures.append(CpuRenderer(portrait).render(condition, camera))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    for one, other in zip(*pictures, strict=True):
        assert torch.equal(one, other)


def test_no_jump_passes_an_occupied_cell(tmp_path: Path) -> None:
    portrait = drawn(tmp_path, SIZES["the usual sizes"])
    grid, jumps = portrait.occupancy, packed(portrait).head.jumps
    occupied = grid.occupied.nonzero().numpy()
    assert (jumps == 0).sum() == len(occupied)
    cells = np.random.default_rng(0).integers(0, grid.resolution, (2000, 3))
    far = jumps[tuple(cells.T)] > 1
    assert far.sum() > 100
    # A step along one axis passes at most so many cells.
    passed = jumps[tuple(cells.T)] * grid.step / float((grid.box[1] - grid.box[0]).min()) * grid.resolution
    nearest = np.array([np.abs(occupied - cell).max(axis=1).min() for cell in cells])
    assert (passed[far] < nearest[far]).all()


def test_numbers_that_are_none_do_not_end_the_program(tmp_path: Path) -> None:
    portrait = drawn(tmp_path, SIZES["the usual sizes"])
    renderer, camera = CpuRenderer(portrait), portrait.camera
    condition = condition_of(portrait, 0.4)
    nowhere = torch.full((4, 4), torch.nan)
    assert renderer.render(condition, camera, nowhere).rgb.shape == (32, 32, 3)
    assert renderer.render(condition._replace(landmarks=condition.landmarks * torch.nan), camera).rgb.shape[0] == 32
    with torch.no_grad():
        portrait.head.planes[0].fill_(3e38)
        portrait.torso.shift[2].weight.fill_(3e38)
    assert renderer.render(condition, camera).rgb.shape == (32, 32, 3)


def test_the_fastest_that_fits_is_taken(tmp_path: Path) -> None:
    portrait = drawn(tmp_path, SIZES["sizes that fill no vector"])
    assert isinstance(choose_renderer(portrait), CpuRenderer)
    assert isinstance(choose_renderer(portrait, "cpu"), CpuRenderer)
    assert isinstance(choose_renderer(portrait, "reference"), ReferenceRenderer)
    elsewhere = portrait.to("meta")
    assert isinstance(choose_renderer(elsewhere), ReferenceRenderer)
    with pytest.raises(InputError, match="add --device cpu"):
        choose_renderer(elsewhere, "cpu")


@pytest.mark.parametrize("kind", [ReferenceRenderer, CpuRenderer])
def test_a_window_is_a_part_of_the_picture(tmp_path: Path, kind: type[ReferenceRenderer] | type[CpuRenderer]) -> None:
    portrait = drawn(tmp_path, SIZES["the usual sizes"])
    renderer, condition = kind(portrait), condition_of(portrait, 0.4)
    camera = portrait.camera.scaled_to((64, 64))
    whole = renderer.render(condition, camera)
    part = renderer.render(condition, camera.window((10, 22, 47, 51), (37, 29)))
    for name in ("rgb", "opacity", "person"):
        wanted = getattr(whole, name)[22:51, 10:47]
        assert wanted.std() > 0.01
        # Rays of a part are the same to rounding, which may take one of them into another cell.
        assert (getattr(part, name) - wanted).abs().quantile(0.99) < 1e-3


@pytest.mark.parametrize("kind", [ReferenceRenderer, CpuRenderer])
def test_only_what_is_wanted_is_drawn(tmp_path: Path, kind: type[ReferenceRenderer] | type[CpuRenderer]) -> None:
    portrait = drawn(tmp_path, SIZES["the usual sizes"])
    renderer, condition = kind(portrait), condition_of(portrait, 0.4)
    camera = portrait.camera.scaled_to((64, 64))
    wanted = torch.zeros(64, 64, dtype=torch.bool)
    wanted[20:45, 30:50] = True
    whole, part = renderer.render(condition, camera), renderer.render(condition, camera, wanted=wanted)
    torch.testing.assert_close(part.rgb[wanted], whole.rgb[wanted], atol=1e-5, rtol=0)
    assert whole.opacity[~wanted].max() > 0.1
    assert not part.opacity[~wanted].any()
