"""What every renderer does."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition


class Layers(NamedTuple):
    """The layers of a picture, [H, W, C] each."""

    rgb: Tensor
    """[H, W, 3] in [0, 1]: the head over torso and background."""
    head: Tensor
    """[H, W, 3] premultiplied by opacity."""
    opacity: Tensor
    """[H, W, 1] of the head."""
    depth: Tensor
    """[H, W, 1] mean distance of the head from the camera, face widths; 0 where there is none."""
    person: Tensor | None
    """[H, W, 4] head and torso without background: colour premultiplied by opacity, and opacity, in [0, 1]. None where
    an underlay was given: how much of that is the person is not known."""


class Renderer(Protocol):
    """Renders one frame: condition and camera in, picture out."""

    camera: Pinhole
    """The capture's own, at the size it was trained at."""
    capture_size: tuple[int, int]
    """Width and height of the capture: the units of its body motion."""

    @property
    def device(self) -> torch.device: ...

    def render(
        self,
        condition: Condition,
        camera: Pinhole,
        c2w: Tensor | None = None,
        underlay: Tensor | None = None,
        wanted: Tensor | None = None,
    ) -> Layers:
        """One picture.

        Args:
            condition: of one frame.
            camera: the lens and the size wanted.
            c2w: [4, 4] where the camera stands. None: where the capture's stood in this frame, of whose picture
                the torso is a part.
            underlay: [H, W, 4] in [0, 1], as `lay_over` takes it: instead of the rendered torso.
            wanted: bool [H, W]: the pixels that are asked for; elsewhere the head may be missing. None: all.
        """
        ...
