"""Interpolation in planes and volumes."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from geneface_ns.scene.grids import interpolate_frame_planes, interpolate_frame_volumes, interpolate_planes, to_unit


def ramp(size: int) -> torch.Tensor:
    return torch.linspace(-1, 1, size)


def test_planes_that_hold_their_coordinates_sum_them():
    # Plane xy holds its x, plane xz its z (second axis), plane yz its y (first axis): the sum is x + z + y.
    r = ramp(9)
    planes = torch.stack([r.expand(9, 9), r[:, None].expand(9, 9), r.expand(9, 9)])[:, None]
    points = torch.tensor([[0.3, -0.2, 0.7], [-1.0, 1.0, 0.0]])
    torch.testing.assert_close(interpolate_planes(planes, points)[:, 0], torch.tensor([0.8, 0.0]))


@given(st.integers(1, 4), st.integers(0, 2**31))
def test_frame_planes_equal_each_frame_alone(batch: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    planes = torch.randn(batch, 3, 2, 5, 5, generator=generator)
    points = torch.rand(11, 3, generator=generator) * 2 - 1
    frame = torch.randint(0, batch, (11,), generator=generator)
    expected = torch.stack([interpolate_planes(planes[f], p[None])[0] for f, p in zip(frame, points, strict=True)])
    torch.testing.assert_close(interpolate_frame_planes(planes, points, frame), expected, atol=1e-4, rtol=1e-4)


def test_frame_volumes_hold_linear_functions_exactly_and_do_not_mix():
    # Frame b holds x + 10 y + 100 z + 1000 b.
    z, y, x = torch.meshgrid(ramp(4), ramp(5), ramp(6), indexing="ij")
    volumes = torch.stack([x + 10 * y + 100 * z + 1000 * b for b in range(3)])[:, None]
    points = torch.tensor([[0.5, -0.25, 0.1], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    frame = torch.tensor([2, 0, 1])
    values = interpolate_frame_volumes(volumes, points, frame)[:, 0]
    torch.testing.assert_close(values, torch.tensor([0.5 - 2.5 + 10 + 2000, 100.0, 1000.0 - 100]))
    outside = interpolate_frame_volumes(volumes, torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([0]))
    torch.testing.assert_close(outside, torch.tensor([[100.0]]))


def test_to_unit():
    box = torch.tensor([[0.0, -1.0, 2.0], [2.0, 1.0, 6.0]])
    torch.testing.assert_close(to_unit(torch.tensor([[1.0, 1.0, 3.0]]), box), torch.tensor([[0.0, 1.0, -0.5]]))
