"""The portrait of `geneface`: a head field over a torso over a background, driven by landmarks. Plain torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from geneface_ns.capture_format.person import Person
from geneface_ns.nerf.head import HeadField, HeadFieldConfig
from geneface_ns.nerf.occupancy import Occupancy
from geneface_ns.nerf.volume import Samples, accumulate, render_weights
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.scene.pose import motion_features
from geneface_ns.scene.torso import TorsoFieldConfig

SHORTEST_STEP = 1e-3
"""Face widths between the samples of a ray: fewer would take hours a picture."""


@dataclass
class PortraitConfig:
    """Size of the portrait, and where its head is sampled."""

    head: HeadFieldConfig = field(default_factory=HeadFieldConfig)
    """The head field."""
    torso: TorsoFieldConfig = field(default_factory=TorsoFieldConfig)
    """The torso field."""
    sample_step: float = 0.03
    """Distance between samples along a ray, face widths."""
    occupancy_resolution: int = 96
    """Cells of the occupancy grid along each axis of the head's box."""


class HeadRays(NamedTuple):
    """The head along N rays."""

    colour: Tensor
    """[N, 3], premultiplied by opacity."""
    opacity: Tensor
    """[N, 1]."""
    depth: Tensor
    """[N, 1], premultiplied by opacity."""
    samples: Samples
    weight: Tensor
    """[M] of each sample in its pixel."""


class Portrait(TalkingPortrait):
    """A person's head and torso fields, the occupancy of the head's box, and the person's own conditions."""

    head: HeadField

    def __init__(self, person: Person, downscale: int, config: PortraitConfig) -> None:
        """
        Args:
            downscale: whole factor by which the training pictures are reduced.
        """
        super().__init__(person, downscale)
        box, own = torch.tensor(person.head_box), self.own_condition(person)
        self.head = HeadField(config.head, box, own.landmarks, own.eye_openness)
        self.torso = self.torso_of(config.torso, own)
        self.occupancy = Occupancy(box, config.occupancy_resolution, config.sample_step)

    def render_head(
        self,
        condition: Condition,
        origins: Tensor,
        directions: Tensor,
        frame: Tensor,
        step: float | None = None,
        jitter: torch.Generator | None = None,
        open_every: int = 0,
    ) -> HeadRays:
        """The head along rays.

        Args:
            condition: of B frames.
            origins, directions: [N, 3], head frame.
            frame: int64 [N], index into B.
            step: another distance between samples than the portrait's own.
            jitter: shifts each ray's samples by a random part of a step (training); otherwise by half a step.
            open_every: see `Occupancy.sample`.
        """
        pose = self.torso.normalised(motion_features(condition.c2w, condition.body))[:, :6].clamp(-4, 4)
        state = self.head.frame_state(condition.landmarks, condition.eye_openness, pose)
        samples = self.occupancy.sample(origins, directions, jitter, step, open_every)
        density, colour = self.head(state, samples.points, frame[samples.ray])
        weight = render_weights(samples, density)
        rgb, opacity, depth = accumulate(samples, weight, colour)
        return HeadRays(rgb, opacity[:, None], depth[:, None], samples, weight)
