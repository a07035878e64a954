import math

import pytest
import torch

from audio_motion.models.flow import FlowPrior
from audio_motion.models.generator import GeneratorConfig, MotionGenerator, kl_sample
from audio_motion.training.losses import (
    correlation_loss,
    opening_and_width,
    point_weights,
    position_loss,
    velocity_loss,
)


def lively(module: torch.nn.Module) -> torch.nn.Module:
    """Fill zero-initialised layers too, so that nothing is the identity by luck."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def test_sizes() -> None:
    small, paper = (
        sum(p.numel() for p in MotionGenerator(c).parameters()) for c in (GeneratorConfig(), GeneratorConfig.paper())
    )
    assert small < 500_000
    assert paper == pytest.approx(11.13e6, rel=0.01)  # the original's count


def test_flow_starts_as_a_reordering_and_inverts_exactly() -> None:
    flow = FlowPrior(channels=16, hidden=32, kernel=3, layers=2, steps=3, condition=8)
    z, condition = torch.randn(2, 16, 20), torch.randn(2, 8, 20)
    torch.testing.assert_close(flow(z, condition), z.flip(1))  # three flips
    lively(flow)
    noise = flow(z, condition)
    assert (noise - z.flip(1)).abs().max() > 0.1
    assert (flow.inverse(noise, condition) - z).abs().max() < 1e-5


def test_flow_preserves_volume() -> None:
    flow = lively(FlowPrior(channels=4, hidden=8, kernel=3, layers=1, steps=2, condition=3)).double()
    condition = torch.randn(1, 3, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda z: flow(z.reshape(1, 4, 3), condition).flatten(), torch.randn(12, dtype=torch.float64)
    )
    assert abs(torch.linalg.det(jacobian)) == pytest.approx(1.0)


def test_kl_by_hand_and_by_its_closed_form() -> None:
    # sigma 1/e, noise 2, explained 3: -(-1) - 4/2 + 9/2 = 3.5
    assert kl_sample(torch.tensor(-1.0), torch.tensor(2.0), torch.tensor(3.0)).item() == pytest.approx(3.5)
    mean, sigma = 0.7, 0.4
    noise = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    sampled = kl_sample(torch.tensor(math.log(sigma)), noise, mean + sigma * noise).mean()
    assert sampled.item() == pytest.approx((mean**2 + sigma**2 - 1) / 2 - math.log(sigma), abs=0.01)


def test_shapes() -> None:
    config = GeneratorConfig()
    model = MotionGenerator(config).eval()
    motion, features, noise = torch.randn(2, 204, 16), torch.randn(2, 83, 32), torch.randn(2, config.latent, 4)
    predicted, kl = model.reconstruct(motion, model.listen(features), noise)
    assert predicted.shape == (2, 204, 16)
    assert kl.shape == (2, config.latent, 4)
    assert model.sample(features[..., :8], noise[..., :1]).shape == (2, 204, 4)


def test_a_frame_depends_on_nothing_beyond_the_stated_context() -> None:
    model = lively(MotionGenerator(GeneratorConfig()))
    frames, middle = 240, 120
    features = torch.randn(1, 83, 2 * frames, requires_grad=True)
    noise = torch.randn(1, 16, frames // 4, requires_grad=True)
    model.sample(features, noise)[0, :, middle].sum().backward()
    heard = features.grad[0].abs().sum(dim=0).nonzero()[:, 0]
    drawn = noise.grad[0].abs().sum(dim=0).nonzero()[:, 0]
    assert heard.min() >= 2 * (middle - model.context)
    assert heard.max() < 2 * (middle + 1 + model.context)
    assert drawn.min() >= (middle - model.context) // 4
    assert drawn.max() < (middle + 4 + model.context) // 4


def test_position_and_velocity_losses_by_hand() -> None:
    truth = torch.zeros(1, 204, 3)
    predicted = truth.clone()
    predicted[0, 0] = torch.tensor([1.0, 3.0, 3.0])  # one coordinate is off
    weights = torch.ones(204)
    everywhere = torch.ones(1, 3, dtype=torch.bool)
    assert position_loss(predicted, truth, weights, everywhere).item() == pytest.approx((1 + 9 + 9) / (3 * 204))
    assert velocity_loss(predicted, truth, weights, everywhere).item() == pytest.approx((4 + 0) / (2 * 204))
    seen = torch.tensor([[True, False, True]])
    assert position_loss(predicted, truth, weights, seen).item() == pytest.approx((1 + 9) / (3 * 204))
    assert velocity_loss(predicted, truth, weights, seen).item() == 0.0  # no two neighbours were seen


def test_weights_favour_the_mouth_and_keep_the_scale() -> None:
    weights = point_weights(mouth=4.0, inner_lips=8.0).reshape(68, 3)
    assert weights.mean().item() == pytest.approx(1.0)
    assert (weights[48] / weights[0]).tolist() == pytest.approx([4.0] * 3)
    assert (weights[62] / weights[0]).tolist() == pytest.approx([8.0] * 3)


def mouths(opening: list[float], width: list[float]) -> torch.Tensor:
    """Motion [1, 204, T] whose inner lips and corners are so far apart."""
    points = torch.zeros(len(opening), 68, 3)
    points[:, 61:64, 1] = 0.25 * torch.tensor(opening)[:, None]
    points[:, 65:68, 1] = -0.75 * torch.tensor(opening)[:, None]
    points[:, 54, 0] = torch.tensor(width)
    return points.flatten(1).T[None]


def test_the_course_of_opening_and_width_by_hand() -> None:
    true = mouths([0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 1.0])
    assert opening_and_width(true)[0].tolist() == [[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 1.0]]
    everywhere = torch.ones(1, 4, dtype=torch.bool)
    assert correlation_loss(0.3 * true + 1.0, true, everywhere).item() == pytest.approx(
        0.0, abs=5e-3
    )  # size does not count
    assert correlation_loss(-true, true, everywhere).item() == pytest.approx(2.0, abs=2e-3)
    # Opening: (-1.5, -0.5, 0.5, 1.5) with (0.5, -0.5, -0.5, 0.5), uncorrelated: 1. Width alike: 0. Their mean.
    bent = mouths([1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0])
    assert correlation_loss(bent, true, everywhere).item() == pytest.approx(0.5, abs=2e-3)
    # Without the last frame the opening is (2/3, -1/3, -1/3) with (-1, 0, 1): -1 / sqrt(2/3 * 2) = -0.866; width 1.
    known = torch.tensor([[True, True, True, False]])
    assert correlation_loss(bent, true, known).item() == pytest.approx((1.866 + 0.0) / 2, abs=3e-3)
    assert correlation_loss(torch.zeros_like(true), true, everywhere).item() == 1.0
