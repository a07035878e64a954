"""GeneFaceModel: the radiance field's portrait as a nerfstudio model, with its two stages of training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch.distributed as dist
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from torch import Tensor
from torch.nn import Parameter
from tyro.conf import Suppress

from geneface_ns.nerf import training
from geneface_ns.nerf.losses import LossConfig
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.training import Rendered, StageConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.plugin.datamanager import GeneFaceDataManager, rays_of
from geneface_ns.plugin.options import LeanModelConfig
from geneface_ns.plugin.portrait_model import PortraitModel
from geneface_ns.scene.truth import Truth


@dataclass
class GeneFaceModelConfig(LossConfig, StageConfig, PortraitConfig, LeanModelConfig):
    """Head and torso, and how rays are sampled and losses weighed."""

    _target: type = field(default_factory=lambda: GeneFaceModel)
    """target class to instantiate"""
    head_steps: Suppress[int] = 1000
    """Steps of the head stage; set by the trainer."""


class GeneFaceModel(PortraitModel):
    """The portrait of `geneface` under nerfstudio."""

    config: GeneFaceModelConfig
    portrait: Portrait

    def populate_modules(self) -> None:
        super().populate_modules()
        # Noted apart in each process and joined in `training.prune`: not to be overwritten by the first process's.
        self._ddp_params_and_buffers_to_ignore = ["portrait.occupancy.weight", "portrait.occupancy.occupied"]
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        return training.parameter_groups(self.portrait)

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        assert training_callback_attributes.pipeline is not None
        datamanager = training_callback_attributes.pipeline.datamanager
        assert isinstance(datamanager, GeneFaceDataManager)
        dataset, portrait = datamanager.train_dataset, self.portrait
        drawn = training.PRUNE_EVERY * datamanager.config.frames_per_batch * datamanager.world_size
        passes = drawn / len(dataset)

        def begin(step: int) -> None:
            self.step = step
            if step == 0:
                start_from_pictures(portrait, dataset.store, dataset.frames)
            training.set_stage(portrait, step, self.config)

        def prune(step: int) -> None:
            training.prune(portrait, step, self.config, passes)

        return [
            TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], begin),
            TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN_ITERATION], prune, update_every_num_iters=1),
        ]

    def get_outputs(self, ray_bundle: RayBundle | Cameras) -> dict[str, Any]:
        """Rays of the capture's own cameras (training and eval batches); metadata["pixel"] as from the datamanager."""
        assert isinstance(ray_bundle, RayBundle)
        rendered = training.render_rays(self.portrait, rays_of(ray_bundle), self.step, self.config, self.rank)
        return {name: value for name, value in rendered._asdict().items() if value is not None}

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Tensor], metrics_dict: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        rendered = Rendered(**{name: outputs.get(name) for name in Rendered._fields})  # type: ignore[arg-type]
        truth = Truth(*(batch[name] for name in Truth._fields))
        return training.losses(rendered, truth, self.step, self.config, self.config)
