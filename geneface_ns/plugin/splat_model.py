"""SplatModel: the portrait of Gaussians as a nerfstudio model, with its two stages of training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from torch import Tensor
from torch.nn import Parameter
from tyro.conf import Suppress

from geneface_ns.kernels.run import torch_alone
from geneface_ns.plugin.datamanager import rays_of
from geneface_ns.plugin.options import LeanModelConfig
from geneface_ns.plugin.portrait_model import PortraitModel
from geneface_ns.plugin.splat_datamanager import SplatDataManager
from geneface_ns.scene.stages import let_learn
from geneface_ns.scene.truth import Truth
from geneface_ns.splat import training
from geneface_ns.splat.draws import Part
from geneface_ns.splat.frozen_heads import FrozenHeads
from geneface_ns.splat.head import BUFFERS, PARAMETERS
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.training import Rendered, SplatLossConfig
from geneface_ns.splat.warm_start import SplatStartConfig, start_from_pictures


@dataclass
class SplatModelConfig(SplatLossConfig, SplatStartConfig, SplatPortraitConfig, LeanModelConfig):
    """Head and torso, where the Gaussians begin, and how losses are weighed."""

    _target: type = field(default_factory=lambda: SplatModel)
    """target class to instantiate"""
    head_steps: Suppress[int] = 1000
    """Steps of the head stage; set by the trainer."""


class SplatModel(PortraitModel):
    """The portrait of `geneface-splat` under nerfstudio."""

    config: SplatModelConfig
    portrait: SplatPortrait
    version_name = "splat_format_version"

    def populate_modules(self) -> None:
        super().populate_modules()
        self.threads = torch.get_num_threads()
        """Of the rasteriser."""
        self.heads = FrozenHeads(self.portrait)

    def takes_size(self, name: str) -> bool:
        return name.removeprefix("portrait.head.") in (*BUFFERS, *PARAMETERS)

    def working(self, step: int) -> AbstractContextManager[Any]:
        self.threads = torch.get_num_threads()
        # Of a head's step the rasteriser is nearly all.
        return torch_alone() if step < self.config.head_steps else nullcontext()

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        return training.parameter_groups(self.portrait)

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        assert training_callback_attributes.pipeline is not None
        datamanager = training_callback_attributes.pipeline.datamanager
        assert isinstance(datamanager, SplatDataManager)
        dataset, portrait = datamanager.train_dataset, self.portrait

        def begin(step: int) -> None:
            self.step = step
            if step == 0:
                start_from_pictures(portrait, dataset.store, dataset.frames, self.config)
            let_learn(portrait.head, portrait.torso, step < self.config.head_steps)

        return [TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], begin)]

    def get_outputs(self, ray_bundle: RayBundle | Cameras | Part) -> dict[str, Any]:
        """What the datamanager draws: a part of a picture for the head, rays for the torso."""
        if isinstance(ray_bundle, Part):
            rendered = training.render_part(self.portrait, ray_bundle, self.threads)
        else:
            assert isinstance(ray_bundle, RayBundle)
            rendered = training.render_rays(self.portrait, self.heads, rays_of(ray_bundle), self.threads)
        return {name: value for name, value in rendered._asdict().items() if value is not None}

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Tensor], metrics_dict: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        truth = Truth(*(batch[name] for name in Truth._fields))
        return training.losses(Rendered(**outputs), truth, self.portrait.head, self.step, self.config)
