"""Every kernel against its plain-torch twin, on the same random input."""

import pytest
import torch

from audio_motion.topology import TEMPLATE
from geneface_ns.kernels.run import plain_torch, usable
from geneface_ns.nerf.occupancy import Occupancy
from geneface_ns.nerf.volume import Samples, accumulate, distortion, render_weights
from geneface_ns.scene.warp import LandmarkWarp

BOX = torch.tensor([[-1.0, -0.8, -0.6], [0.9, 1.0, 0.7]])


def grid_and_rays(count: int = 400, seed: int = 0) -> tuple[Occupancy, torch.Tensor, torch.Tensor]:
    """A grid of which a third is occupied, and rays of which some miss the box and some begin inside it."""
    generator = torch.Generator().manual_seed(seed)
    grid = Occupancy(BOX, 16, 0.05)
    grid.occupied.copy_(torch.rand(grid.occupied.shape, generator=generator) < 1 / 3)
    origins = torch.randn(count, 3, generator=generator) * torch.tensor([0.4, 0.4, 1.5])
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    return grid, origins, directions


@pytest.mark.parametrize("jitter", [False, True])
@pytest.mark.parametrize("open_every", [0, 7])
def test_samples_are_the_same(jitter: bool, open_every: int):
    grid, origins, directions = grid_and_rays()

    def sample() -> Samples:
        generator = torch.Generator().manual_seed(3) if jitter else None
        return grid.sample(origins, directions, generator, open_every=open_every)

    fast = sample()
    with plain_torch():
        plain = sample()
    assert 1000 < len(plain.ray) < 20000
    # A sample on the very border of a cell may fall to either side of it.
    assert abs(len(fast.ray) - len(plain.ray)) <= 2
    if len(fast.ray) == len(plain.ray):
        assert torch.equal(fast.ray, plain.ray)
        assert torch.equal(fast.first, plain.first)
        torch.testing.assert_close(fast.depth, plain.depth)
        torch.testing.assert_close(fast.points, plain.points)


def rendered(samples: Samples, density: torch.Tensor, colour: torch.Tensor, mix: torch.Tensor) -> list[torch.Tensor]:
    """Weights, sums and spread, and the gradients of a mixture of all of them."""
    density, colour = density.clone().requires_grad_(), colour.clone().requires_grad_()
    weight = render_weights(samples, density)
    sums = torch.cat([x.reshape(len(samples.first) - 1, -1) for x in accumulate(samples, weight, colour)], dim=1)
    spread = distortion(samples, weight)
    (sums @ mix).sin().sum().add(3 * spread).add((weight**2).sum()).backward()
    assert density.grad is not None
    assert colour.grad is not None
    return [weight, sums, spread, density.grad, colour.grad]


def test_volume_rendering_and_its_gradients_are_the_same():
    grid, origins, directions = grid_and_rays()
    samples = grid.sample(origins, directions)
    count = samples.first.diff()
    assert int(count.min()) == 0  # rays without a sample are among them
    assert int(count.max()) > 10
    generator = torch.Generator().manual_seed(1)
    density = torch.rand(len(samples.ray), generator=generator) * 40
    colour = torch.rand(len(samples.ray), 3, generator=generator)
    mix = torch.randn(5, generator=generator)
    fast = rendered(samples, density, colour, mix)
    with plain_torch():
        plain = rendered(samples, density, colour, mix)
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-5)


def test_gradients_in_double_precision_are_right():
    """The twin itself, against finite differences."""
    grid, origins, directions = grid_and_rays(6)
    samples = grid.sample(origins, directions)
    samples = samples._replace(depth=samples.depth.double())
    density = torch.rand(len(samples.ray), dtype=torch.double, requires_grad=True)
    assert not usable(density)

    def all_of_it(density: torch.Tensor) -> torch.Tensor:
        weight = render_weights(samples, density)
        sums = accumulate(samples, weight, weight[:, None].expand(-1, 3))
        return torch.cat([*(x.reshape(-1) for x in sums), distortion(samples, weight)[None]])

    assert torch.autograd.gradcheck(all_of_it, density)


def test_no_rays():
    grid, _, _ = grid_and_rays()
    samples = grid.sample(torch.zeros(0, 3), torch.zeros(0, 3))
    assert samples.first.tolist() == [0]
    assert render_weights(samples, torch.zeros(0)).shape == (0,)
    with plain_torch():
        assert grid.sample(torch.zeros(0, 3), torch.zeros(0, 3)).first.tolist() == [0]
        assert render_weights(samples, torch.zeros(0)).shape == (0,)


def test_the_inverse_motion_is_the_same():
    mean = torch.from_numpy(TEMPLATE)
    warp = LandmarkWarp(mean, sigma=0.1, resolution=17)
    landmarks = mean + 0.03 * torch.randn(3, 68, 3, generator=torch.Generator().manual_seed(0))
    fast = warp.volumes(landmarks)
    with plain_torch():
        plain = warp.volumes(landmarks)
    assert float(plain[:, :3].abs().max()) > 0.02
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-6)


def test_landmarks_may_have_gradients():
    warp = LandmarkWarp(torch.from_numpy(TEMPLATE), sigma=0.1, resolution=9)
    landmarks = (warp.mean + 0.01)[None].requires_grad_()
    warp.volumes(landmarks).square().sum().backward()
    assert float(landmarks.grad.abs().max()) > 0
