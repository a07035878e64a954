"""The torso field begins as its pictures behind the body's motion, and learns from the head with real gradients."""

import torch

from geneface_ns.scene.pose import invert_affine
from geneface_ns.scene.torso import REACH, TorsoField, TorsoFieldConfig, sample_picture


def gradient_picture(size: int) -> torch.Tensor:
    """Red is x and green is y of the canonical picture, opaque."""
    steps = ((torch.arange(size) + 0.5) / size * 2 - 1) * REACH
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x), torch.ones_like(x)])


def test_sample_picture_reads_its_own_coordinates():
    position = torch.tensor([[0.5, -0.25], [0.0, 0.9], [-1.0, 1.0]])
    values = sample_picture(gradient_picture(60), position)
    torch.testing.assert_close(values[:, :2], position, atol=1e-5, rtol=0)


def test_untrained_field_is_the_moved_picture():
    field = TorsoField(TorsoFieldConfig(), 48, 48, torch.randn(10, 12))
    picture = gradient_picture(60)
    field.start_from(picture, torch.zeros(3, 60, 60))
    body = torch.tensor([[[1.0, 0.0, 0.1], [0.0, 1.0, -0.2]]])  # the torso moved right and up
    pixel = torch.tensor([[0.3, 0.2]])
    frame = torch.zeros(1, dtype=torch.long)
    colour = field(pixel, frame, invert_affine(body), torch.zeros(1, 12), torch.zeros(1, 4)).underlay
    torch.testing.assert_close(colour[:, :3], torch.tensor([[0.2, 0.4, 0.0]]), atol=1e-4, rtol=0)
    assert colour[0, 3] < 0.02  # nothing lies before the head


def test_the_head_encoder_learns():
    # In GeneFace's release this encoder was never optimised.
    field = TorsoField(TorsoFieldConfig(), 16, 16, torch.randn(10, 12))
    optimiser = torch.optim.Adam(field.parameters(), lr=1e-2)
    before = field.head_encoder.weight.clone()
    frame = torch.zeros(64, dtype=torch.long)
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    for _ in range(30):
        head = torch.rand(64, 4)
        colour = field(torch.rand(64, 2) * 2 - 1, frame, identity, torch.zeros(1, 12), head).underlay
        loss = (colour[:, :3] - head[:, 3:]).square().mean()  # darker where the head is near
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (field.head_encoder.weight - before).abs().max() > 1e-3
    assert loss < 0.08  # a constant colour leaves 1/12
