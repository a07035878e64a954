"""Rays, occupancy and volume rendering, against numbers by hand."""

import math
from time import process_time

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from geneface_ns.nerf.occupancy import WIDEST_REACH, Occupancy
from geneface_ns.nerf.volume import accumulate, box_span, distortion, render_weights
from geneface_ns.scene.camera import pinhole_directions

BOX = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])


def test_pinhole_directions():
    directions = pinhole_directions(torch.tensor([[50.0, 50.0], [150.0, 50.0]]), (100.0, 100.0), (50.0, 50.0))
    root = math.sqrt(0.5)
    torch.testing.assert_close(directions, torch.tensor([[0.0, 0.0, -1.0], [root, 0.0, -root]]))


def test_box_span():
    origins = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [5.0, 0.0, 3.0]])
    directions = torch.tensor([[0.0, 0.0, -1.0]]).expand(3, 3)
    near, far = box_span(origins, directions, BOX)
    torch.testing.assert_close(near[:2], torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(far[:2], torch.tensor([4.0, 1.0]))
    assert far[2] < near[2]


def test_weights_and_sums_of_one_ray():
    # Two samples of step 0.5 with densities 2 and 4: optical depths 1 and 2.
    grid = Occupancy(BOX, 2, 0.5)
    grid.occupied[:, :, 0] = False  # nothing at x < 0
    samples = grid.sample(torch.tensor([[-2.0, 0.1, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]]))
    torch.testing.assert_close(samples.points[:, 0], torch.tensor([0.25, 0.75]))
    weight = render_weights(samples, torch.tensor([2.0, 4.0]))
    first, second = 1 - math.exp(-1), math.exp(-1) * (1 - math.exp(-2))
    torch.testing.assert_close(weight, torch.tensor([first, second]))
    colour, opacity, depth = accumulate(samples, weight, torch.eye(3)[:2])
    torch.testing.assert_close(colour, torch.tensor([[first, second, 0.0]]))
    torch.testing.assert_close(opacity, torch.tensor([1 - math.exp(-3)]))
    torch.testing.assert_close(depth, torch.tensor([first * 2.25 + second * 2.75]))
    # Spread: 2 w1 w2 |d| + (w1^2 + w2^2) step / 3.
    expected = 2 * first * second * 0.5 + (first**2 + second**2) * 0.5 / 3
    torch.testing.assert_close(distortion(samples, weight), torch.tensor(expected))


def test_a_ray_that_misses_is_empty():
    grid = Occupancy(BOX, 4, 0.1)
    samples = grid.sample(
        torch.tensor([[5.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]]), jitter=torch.Generator().manual_seed(0)
    )
    assert len(samples.points) == 0
    colour, opacity, _ = accumulate(samples, render_weights(samples, torch.zeros(0)), torch.zeros(0, 3))
    assert colour.abs().sum() == 0
    assert opacity.sum() == 0


def camera(distance: float) -> torch.Tensor:
    c2w = torch.eye(4)
    c2w[2, 3] = distance
    return c2w


def test_carve_keeps_what_the_mask_sees():
    # Focal 100 at distance 10: the box's half width covers about 10 pixels; the mask holds the right half only.
    grid = Occupancy(BOX, 8, 0.1)
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[:, :, 20:] = True
    grid.carve(mask, camera(10.0)[None], (100.0, 100.0), (20.0, 20.0))
    assert grid.occupied[:, :, 4:].all()
    assert not grid.occupied[:, :, :4].any()


def test_prune_drops_what_weighs_nothing_and_keeps_a_margin():
    grid = Occupancy(BOX, 8, 0.1)
    seen = torch.tensor([[0.1, 0.1, 0.1]])  # in cell 4, 4, 4
    grid.note(seen, torch.tensor([0.5]))
    grid.prune(threshold=0.1, decay=0.5)
    around = {(4, 4, 4), (3, 4, 4), (5, 4, 4), (4, 3, 4), (4, 5, 4), (4, 4, 3), (4, 4, 5)}
    assert set(map(tuple, grid.occupied.nonzero().tolist())) == around
    grid.prune(threshold=0.3, decay=0.5)  # the weight has decayed to 0.25
    assert not grid.occupied.any()
    grid.note(torch.tensor([[-0.9, 0.9, 0.9]]), torch.tensor([0.5]))  # at a corner
    grid.prune(threshold=0.3, decay=0.5)
    assert set(map(tuple, grid.occupied.nonzero().tolist())) == {(7, 7, 0), (6, 7, 0), (7, 6, 0), (7, 7, 1)}


def test_prune_drops_what_floats_apart_from_the_head_and_keeps_what_hangs_on_it():
    grid = Occupancy(BOX, 16, 0.1)
    cells = torch.zeros(16, 16, 16, dtype=torch.bool)
    cells[2:8, 2:8, 2:8] = True
    cells[8, 8, 8] = True  # by a corner
    grid.weight[cells] = 0.5
    grid.weight[13, 13, 13] = 0.9
    grid.prune(threshold=0.1, decay=1.0)
    assert grid.occupied[cells].all()
    assert not grid.occupied[10:].any()
    grid.weight[9:14, 13, 13] = 0.9  # 5 cells beside 217: still apart, but no speck
    grid.prune(threshold=0.1, decay=1.0)
    assert grid.occupied[9:14, 13, 13].all()


def widened_all_at_once(grid: Occupancy, distance: float, focal: float, size: tuple[int, int]) -> tuple[Tensor, int]:
    """`image_mask` written plainly, one square maximum over the picture; and its reach in pixels."""
    width, height = size
    half_cell = float((grid.box[1] - grid.box[0]).norm()) / (2 * grid.resolution)
    local = (grid.centres()[grid.occupied] - camera(distance)[:3, 3]) @ camera(distance)[:3, :3]
    local = local[local[:, 2] < -half_cell]
    x = local[:, 0] / -local[:, 2] * focal + width / 2
    y = -local[:, 1] / -local[:, 2] * focal + height / 2
    reach = int(min(half_cell * focal / float((-local[:, 2]).amin()) + 1, max(size)))
    near = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
    seen = torch.zeros(height, width)
    seen[y[near].long().clamp(0, height - 1), x[near].long().clamp(0, width - 1)] = 1
    return F.max_pool2d(seen[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0] > 0, reach


def some_cells() -> Occupancy:
    grid = Occupancy(BOX, 16, 0.1)
    grid.occupied.copy_(torch.rand(16, 16, 16, generator=torch.Generator().manual_seed(3)) > 0.997)
    return grid


@pytest.mark.parametrize(("distance", "size"), [(6.0, (40, 40)), (6.0, (97, 51)), (3.0, (64, 80))])
def test_image_mask_is_the_square_maximum_where_cells_are_small(distance: float, size: tuple[int, int]):
    grid = some_cells()
    expected, reach = widened_all_at_once(grid, distance, 100.0, size)
    assert reach <= WIDEST_REACH
    assert 0 < expected.float().mean() < 1
    mask = grid.image_mask(camera(distance), (100.0, 100.0), (size[0] / 2, size[1] / 2), size)
    torch.testing.assert_close(mask, expected)


@pytest.mark.parametrize("size", [(300, 300), (301, 173)])
def test_image_mask_is_little_more_where_cells_are_large(size: tuple[int, int]):
    grid = some_cells()
    expected, reach = widened_all_at_once(grid, 3.0, 750.0, size)
    assert WIDEST_REACH < reach < 100
    mask = grid.image_mask(camera(3.0), (750.0, 750.0), (size[0] / 2, size[1] / 2), size)
    assert mask.shape == expected.shape
    assert not (expected & ~mask).any()
    assert mask.float().mean() < 1.2 * expected.float().mean() < 1.1


def test_image_mask_of_a_face_that_fills_the_picture_is_quick():
    grid = some_cells()
    begin = process_time()
    assert grid.image_mask(camera(1.2), (600.0, 600.0), (128.0, 128.0), (256, 256)).any()
    assert process_time() - begin < 0.5  # one square maximum: some seconds


def test_image_mask_follows_the_occupancy():
    grid, view = some_cells(), (camera(6.0), (100.0, 100.0), (20.0, 20.0), (40, 40))
    before = grid.image_mask(*view)
    assert before.any()
    state = {name: value.clone() for name, value in grid.state_dict().items()}
    grid.prune(threshold=1.0, decay=1.0)
    assert not grid.image_mask(*view).any()
    grid.load_state_dict(state)
    torch.testing.assert_close(grid.image_mask(*view), before)
    assert grid.double().image_mask(*(view[0].double(), *view[1:])).any()


def test_image_mask_covers_every_ray_that_meets_a_cell():
    grid = Occupancy(BOX, 8, 0.1)
    grid.occupied.zero_()
    grid.occupied[5, 2, 6] = True
    size = (40, 40)
    mask = grid.image_mask(camera(6.0), (100.0, 100.0), (20.0, 20.0), size)
    y, x = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(40) + 0.5, indexing="ij")
    directions = pinhole_directions(torch.stack([x, y], dim=-1).reshape(-1, 2), (100.0, 100.0), (20.0, 20.0))
    samples = grid.sample(camera(6.0)[:3, 3].expand_as(directions), directions)
    hit = torch.zeros(1600, dtype=torch.bool)
    hit[samples.ray] = True
    assert hit.any()
    assert not (hit & ~mask.view(-1)).any()
    assert mask.float().mean() < 0.25
