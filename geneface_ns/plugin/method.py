"""The methods `geneface` and `geneface-splat`: a landmark-conditioned head and a head-aware torso."""

from __future__ import annotations

import copy
import sys
from typing import Literal

import torch
from nerfstudio.configs.base_config import LoggingConfig, MachineConfig, ViewerConfig
from nerfstudio.data.datamanagers.base_datamanager import DataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification

from geneface_ns.nerf import training as nerf
from geneface_ns.plugin.compat import give_ns_viewer
from geneface_ns.plugin.datamanager import GeneFaceDataManagerConfig
from geneface_ns.plugin.model import GeneFaceModelConfig
from geneface_ns.plugin.schedule import FusedAdamConfig, StageScheduleConfig
from geneface_ns.plugin.splat_datamanager import SplatDataManagerConfig
from geneface_ns.plugin.splat_model import SplatModelConfig
from geneface_ns.plugin.trainer import GeneFaceTrainerConfig
from geneface_ns.scene.stages import HEAD_SHARE
from geneface_ns.splat import training as splat

VIEWER = ViewerConfig(
    websocket_host="127.0.0.1",  # nerfstudio's own default lets the whole network watch and steer
    max_num_display_images=0,
    # Its depth picture costs more than the head does, and there is nothing in the scene to hide.
    default_composite_depth=False,
)
give_ns_viewer(VIEWER, sys.argv[1:])


def trainer_config(
    name: str,
    steps: int,
    datamanager: DataManagerConfig,
    model: ModelConfig,
    rates: dict[str, float],
    device: Literal["cpu", "cuda"],
    head_fraction: float = HEAD_SHARE,
) -> GeneFaceTrainerConfig:
    """What the methods' trainings have in common.

    Args:
        name: of the method.
        steps: of both stages.
        rates: Adam's at first, for each group of parameters.
        head_fraction: of the steps, for the head.
    """
    return GeneFaceTrainerConfig(
        method_name=name,
        max_num_iterations=steps,
        head_fraction=head_fraction,
        steps_per_save=1000,
        steps_per_eval_batch=0,
        steps_per_eval_image=500,
        steps_per_eval_all_images=0,
        mixed_precision=False,
        machine=MachineConfig(device_type=device),
        logging=LoggingConfig(steps_per_log=50),
        pipeline=VanillaPipelineConfig(datamanager=datamanager, model=model),
        optimizers={
            group: {"optimizer": FusedAdamConfig(lr=rate), "scheduler": StageScheduleConfig()}
            for group, rate in rates.items()
        },
        viewer=copy.deepcopy(VIEWER),
        vis="viewer+tensorboard",
    )


geneface = MethodSpecification(
    config=trainer_config(
        "geneface",
        6000,
        GeneFaceDataManagerConfig(),
        GeneFaceModelConfig(eval_num_rays_per_chunk=1 << 16),
        nerf.LEARNING_RATES,
        "cuda" if torch.cuda.is_available() else "cpu",
    ),
    description="GeneFace: a talking head that says anything, from a talking video (head and torso, CPU or GPU).",
)
geneface_splat = MethodSpecification(
    config=trainer_config(
        "geneface-splat",
        9000,
        SplatDataManagerConfig(),
        SplatModelConfig(),
        splat.LEARNING_RATES,
        "cpu",
        splat.HEAD_SHARE,
    ),
    description="GeneFace with a head of Gaussians: the same captures, the same torso (CPU).",
)
