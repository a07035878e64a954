"""What every portrait is: a head of the method's own, over a torso over a background, and the person's conditions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from geneface_ns.capture_format.person import Person
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition, ConditionTable
from geneface_ns.scene.pose import invert_affine, motion_features
from geneface_ns.scene.torso import TorsoField, TorsoFieldConfig, TorsoRays


class TalkingPortrait(nn.Module):
    """A person's camera, conditions and torso; the head is the method's own."""

    head: nn.Module
    torso: TorsoField

    def __init__(self, person: Person, downscale: int) -> None:
        """
        Args:
            downscale: whole factor by which the training pictures are reduced.
        """
        super().__init__()
        size = (person.width // downscale, person.height // downscale)
        self.camera = Pinhole(
            (person.focal[0] / downscale, person.focal[1] / downscale),
            (person.centre[0] / downscale, person.centre[1] / downscale),
            size,
        )
        self.capture_size = (person.width, person.height)
        self.table = ConditionTable(person)

    @property
    def device(self) -> torch.device:
        """Where the portrait is."""
        return self.table.c2w.device

    def own_condition(self, person: Person) -> Condition:
        """What drove the frames that are learnt from."""
        train, table = torch.from_numpy(np.flatnonzero(person.is_train & person.valid)), self.table
        return Condition(table.landmarks[train], table.eyes[train], table.c2w[train], table.body[train])

    def torso_of(self, config: TorsoFieldConfig, own: Condition) -> TorsoField:
        """A torso field that has learnt nothing.

        Args:
            own: from `own_condition`.
        """
        return TorsoField(config, *self.camera.size, motion_features(own.c2w, own.body))

    def render_torso(self, condition: Condition, pixel: Tensor, frame: Tensor, head: Tensor) -> TorsoRays:
        """What lies behind and before the head.

        Args:
            condition: of B frames.
            pixel: [N, 2], the image being [-1, 1]^2, y down.
            frame: int64 [N], index into B.
            head: [N, 4] rendered colour (premultiplied) and opacity of the head there.
        """
        motion = motion_features(condition.c2w, condition.body)
        return self.torso(pixel, frame, invert_affine(condition.body), motion, head)
