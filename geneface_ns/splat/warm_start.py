"""What a portrait of Gaussians begins with: the tracked head's surface, the mean torso and the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.warm_start import start_torso
from geneface_ns.splat.portrait import SplatPortrait
from geneface_ns.splat.surface import head_surface


@dataclass
class SplatStartConfig:
    """Where the Gaussians begin."""

    gaussians: int = 20_000
    """About as many, those of the mouth's inside among them."""
    sigma: float = 0.04
    """Reach of a landmark on the Gaussians around it, face widths: short, so that the lips part."""


def start_from_pictures(
    portrait: SplatPortrait, store: FrameStore, frames: np.ndarray, config: SplatStartConfig
) -> None:
    """Begin on the head's surface, and take the mean torso and the background.

    Args:
        store: the capture's frames at the training size.
        frames: int64 [N] training frames.

    Raises:
        InputError: as `head_surface`.
    """
    portrait.head.begin_on(head_surface(store.capture, store, config.gaussians), config.sigma)
    start_torso(portrait, store, frames)
