"""What drives a frame, and the table of what the capture's own frames were driven by."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from geneface_ns.capture_format.person import Person
from geneface_ns.scene.pose import body_in_image_units

ROUNDED = 0.01
"""Frames by which a time may lie beside a frame's own and still be it: float32 leaves so much in an hour of video."""


class Condition(NamedTuple):
    """What drives B frames."""

    landmarks: Tensor
    """[B, 68, 3], head frame."""
    eye_openness: Tensor
    """[B, 2]."""
    c2w: Tensor
    """[B, 4, 4], the capture camera of the frame."""
    body: Tensor
    """[B, 2, 3] body motion, the image as [-1, 1]^2."""


class ConditionTable(nn.Module):
    """The condition of each of a person's F frames, as buffers: a checkpoint drives itself with the person's own
    motion. Looked up by time, 0 for the first frame and 1 for the last."""

    landmarks: Tensor
    eyes: Tensor
    c2w: Tensor
    body: Tensor

    def __init__(self, person: Person) -> None:
        super().__init__()
        # Copies: loading a checkpoint writes into buffers, and the capture must stay what it is on the disk.
        self.register_buffer("landmarks", torch.tensor(person.landmarks.landmarks))
        self.register_buffer("eyes", torch.tensor(person.landmarks.eye_openness))
        self.register_buffer("c2w", torch.tensor(person.c2w))
        self.register_buffer("body", body_in_image_units(torch.from_numpy(person.body), person.width, person.height))

    def forward(self, times: Tensor) -> Condition:
        """The condition at times [B] (0 first frame, 1 last), linear between frames; the pose is the nearest one's."""
        last = len(self.landmarks) - 1
        position = times.clamp(0, 1) * last
        whole = position.round()
        position = torch.where((position - whole).abs() < ROUNDED, whole, position)
        low = position.floor().long().clamp_max(max(last - 1, 0))
        high = (low + 1).clamp_max(last)
        weight = position - low

        def mix(table: Tensor) -> Tensor:
            return torch.lerp(table[low], table[high], weight.view(-1, *[1] * (table.dim() - 1)))

        nearest = torch.where(weight < 0.5, low, high)
        return Condition(mix(self.landmarks), mix(self.eyes), self.c2w[nearest], mix(self.body))
