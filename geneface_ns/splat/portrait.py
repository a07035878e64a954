"""The portrait of `geneface-splat`: a head of Gaussians over a torso over a background, driven by landmarks."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from geneface_ns.capture_format.person import Person
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.scene.torso import TorsoFieldConfig
from geneface_ns.splat.head import SplatHead, SplatHeadConfig, draw_head


@dataclass
class SplatPortraitConfig:
    """Size of the portrait, but for how many Gaussians it has."""

    head: SplatHeadConfig = field(default_factory=SplatHeadConfig)
    """The head."""
    torso: TorsoFieldConfig = field(default_factory=TorsoFieldConfig)
    """The torso field."""


class SplatPortrait(TalkingPortrait):
    """A person's head of Gaussians, the torso field, and the person's own conditions. On the CPU, where the rasteriser
    is."""

    head: SplatHead

    def __init__(self, person: Person, downscale: int, config: SplatPortraitConfig) -> None:
        """It has no Gaussians until `warm_start.start_from_pictures` or a state that is loaded gives it some.

        Args:
            downscale: whole factor by which the training pictures are reduced.
        """
        super().__init__(person, downscale)
        own = self.own_condition(person)
        self.head = SplatHead(config.head, own)
        self.torso = self.torso_of(config.torso, own)

    def draw_head(
        self, condition: Condition, threads: int, box: tuple[int, int, int, int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The head as the capture's camera sees it in one frame, or in a part of it; differentiable in its parameters.

        Args:
            threads: of the rasteriser.
            box: x0, y0, x1, y1 in pixels; the last row and column do not belong.

        Returns:
            [H, W, 3] premultiplied colour, [H, W, 1] opacity.
        """
        return draw_head(self.head(condition), self.camera, condition.c2w[0], threads, box)
