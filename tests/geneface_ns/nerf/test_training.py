"""The training without nerfstudio: what a step follows from, and what the occupancy remembers."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf import training
from geneface_ns.nerf.draws import draw, ray_source
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.occupancy import Occupancy
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.scene.draws import RaySource
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.synthetic.exact_capture import write_exact_capture

SMALL = PortraitConfig(sample_step=0.06, occupancy_resolution=32)
CONFIG = TrainingConfig(head_steps=10**6, coarse_steps=4, train_num_rays_per_batch=512)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Portrait, RaySource, torch.Tensor]:
    """An untrained portrait, what it learns from, and its training frames."""
    folder: Path = tmp_path_factory.mktemp("training") / "capture"
    write_exact_capture(folder, frames=22)
    capture = load_capture(folder)
    torch.manual_seed(0)
    portrait = Portrait(capture, 1, SMALL)
    frames = np.flatnonzero(capture.is_train)
    start_from_pictures(portrait, FrameStore(capture), frames)
    return portrait, ray_source(capture, prepare(capture, 1, 0.03), 1), torch.from_numpy(frames)


def test_a_training_follows_from_its_steps_alone(source: tuple[Portrait, RaySource, torch.Tensor]):
    untrained, rays, frames = source
    ends = []
    for disturb in (0, 1):
        portrait = copy.deepcopy(untrained)
        torch.manual_seed(disturb)  # what else draws random numbers does not matter
        for _ in train(portrait, rays, frames, 24, CONFIG):
            torch.rand(disturb)
        ends.append(portrait.state_dict())
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
    assert not torch.equal(ends[0]["head.planes.0"], untrained.state_dict()["head.planes.0"])


def test_a_loss_that_is_not_finite_is_named(source: tuple[Portrait, RaySource, torch.Tensor]):
    portrait, rays, frames = copy.deepcopy(source[0]), source[1], source[2]
    with torch.no_grad():
        portrait.head.rest[-1].bias[0] = torch.nan
    with pytest.raises(FloatingPointError, match="loss term 'rgb' is nan at step 0"):
        next(train(portrait, rays, frames, 4, CONFIG))


def test_mixed_precision_leaves_positions_alone(source: tuple[Portrait, RaySource, torch.Tensor]):
    portrait, rays, frames = source
    portrait = copy.deepcopy(portrait).eval()
    drawn, _ = draw(rays, frames, 0, False, CONFIG)
    times, frame = torch.unique(drawn.times, return_inverse=True)
    condition = portrait.table(times)
    plain = portrait.head.warp.volumes(condition.landmarks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(portrait.head.warp.volumes(condition.landmarks), plain)
        torso = portrait.render_torso(condition, drawn.pixel, frame, torch.zeros(len(frame), 4)).underlay
    # The torso begins as its pictures: half a pixel off would show at its edges.
    expected = portrait.render_torso(condition, drawn.pixel, frame, torch.zeros(len(frame), 4)).underlay
    assert (torso - expected).abs().max() < 0.01


BOX = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])


def test_what_one_frame_in_a_hundred_shows_stays_occupied():
    # 1600 frames, 4 a step: a pass takes 400 steps. The cell is seen once a pass.
    grid, cell = Occupancy(BOX, 8, 0.1), torch.tensor([[0.1, 0.1, 0.1]])
    passes = training.PRUNE_EVERY * 4 / 1600
    config = TrainingConfig(head_steps=10**6)
    portrait = type("Stub", (), {"occupancy": grid})()
    for step in range(config.settle_steps, config.settle_steps + 4000, training.PRUNE_EVERY):
        if step % 400 < training.PRUNE_EVERY:
            grid.note(cell, torch.tensor([0.3]))
        training.prune(portrait, step, config, passes)
        assert grid.occupied[4, 4, 4], step


def test_the_first_hull_can_be_outgrown():
    grid, outside = Occupancy(BOX, 8, 0.1), torch.tensor([[0.3, 0.1, 0.1]])
    grid.occupied[:] = False
    grid.occupied[4, 4, 4] = True  # all that the hull kept
    grid.note(torch.tensor([[0.1, 0.1, 0.1]]), torch.tensor([0.5]))
    grid.prune(0.1, decay=0.9)
    origin, direction = torch.tensor([[0.3, 0.1, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    samples = grid.sample(origin, direction)  # the hair beside the hull is looked at now
    assert len(samples.points) > 0
    grid.note(outside, torch.tensor([0.5]))
    grid.prune(0.1, decay=0.9)
    assert grid.occupied[4, 4, 6]


def test_some_rays_look_through_the_whole_box():
    grid = Occupancy(BOX, 8, 0.1)
    grid.occupied[:] = False
    origins = torch.tensor([[0.0, 0.0, 3.0]]).expand(6, 3)
    directions = torch.tensor([[0.0, 0.0, -1.0]]).expand(6, 3)
    assert len(grid.sample(origins, directions).points) == 0
    looked = grid.sample(origins, directions, open_every=3)
    assert looked.ray.unique().tolist() == [0, 3]
    assert (looked.ray == 0).sum() == 20


def _note_and_prune(rank: int, store: str, found: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    grid = Occupancy(BOX, 8, 0.1)
    portrait = type("Stub", (), {"occupancy": grid})()
    grid.note(torch.tensor([[0.1, 0.1, 0.1], [-0.9, -0.9, -0.9]])[rank : rank + 1], torch.tensor([0.5]))
    training.prune(portrait, 16, TrainingConfig(coarse_steps=0), 0.1)
    torch.save(grid.occupied, f"{found}{rank}")
    dist.destroy_process_group()


def test_processes_join_what_they_found_occupied(tmp_path: Path):
    mp.spawn(_note_and_prune, (str(tmp_path / "store"), str(tmp_path / "found")), nprocs=2)
    first, second = (torch.load(tmp_path / f"found{rank}", weights_only=True) for rank in (0, 1))
    assert first[4, 4, 4]
    assert first[0, 0, 0]
    assert torch.equal(first, second)
