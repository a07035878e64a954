"""nerfstudio datamanager of a capture for `geneface-splat`: parts of pictures for the head, then rays for the torso."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from nerfstudio.cameras.rays import RayBundle

from geneface_ns.plugin.datamanager import CaptureDataManager, CaptureDataManagerConfig, CaptureDataset, bundle_of
from geneface_ns.scene.draws import RaySource, draw_picture
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import Prepared
from geneface_ns.splat.draws import SplatDrawConfig, draw_part, ray_source


@dataclass
class SplatDataManagerConfig(SplatDrawConfig, CaptureDataManagerConfig):
    """What is drawn from a capture."""

    _target: type = field(default_factory=lambda: SplatDataManager)
    """target class to instantiate"""


class SplatDataManager(CaptureDataManager):
    """Draws a part of a picture in the head stage (`splat.draws.Part`, where nerfstudio has rays), then rays."""

    config: SplatDataManagerConfig

    def _source_of(self, store: FrameStore, prepared: Prepared) -> RaySource:
        return ray_source(store.capture, prepared, store.downscale, self.config.margin)

    def _draw(self, dataset: CaptureDataset, step: int) -> tuple[RayBundle, dict]:
        frames = torch.from_numpy(dataset.frames)
        if step < self.config.head_steps:
            part, truth = draw_part(self.source, frames, step, self.config)
            return part, truth._asdict()  # type: ignore[return-value]
        rays, truth = draw_picture(self.source, frames, step, self.config)
        return bundle_of(rays), truth._asdict()
