"""The method `geneface`: a landmark-conditioned head and a head-aware torso."""

from __future__ import annotations

import sys

import torch
from nerfstudio.configs.base_config import LoggingConfig, MachineConfig, ViewerConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification

from geneface_ns.nerf.training import LEARNING_RATES
from geneface_ns.plugin.compat import give_ns_viewer
from geneface_ns.plugin.datamanager import GeneFaceDataManagerConfig
from geneface_ns.plugin.model import GeneFaceModelConfig
from geneface_ns.plugin.schedule import FusedAdamConfig, StageScheduleConfig
from geneface_ns.plugin.trainer import GeneFaceTrainerConfig

VIEWER = ViewerConfig(
    websocket_host="127.0.0.1",  # nerfstudio's own default lets the whole network watch and steer
    max_num_display_images=0,
    # Its depth picture costs more than the head does, and there is nothing in the scene to hide.
    default_composite_depth=False,
)
give_ns_viewer(VIEWER, sys.argv[1:])

geneface = MethodSpecification(
    config=GeneFaceTrainerConfig(
        method_name="geneface",
        max_num_iterations=6000,
        steps_per_save=1000,
        steps_per_eval_batch=0,
        steps_per_eval_image=500,
        steps_per_eval_all_images=0,
        mixed_precision=False,
        machine=MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu"),
        logging=LoggingConfig(steps_per_log=50),
        pipeline=VanillaPipelineConfig(
            datamanager=GeneFaceDataManagerConfig(), model=GeneFaceModelConfig(eval_num_rays_per_chunk=1 << 16)
        ),
        optimizers={
            name: {"optimizer": FusedAdamConfig(lr=rate), "scheduler": StageScheduleConfig()}
            for name, rate in LEARNING_RATES.items()
        },
        viewer=VIEWER,
        vis="viewer+tensorboard",
    ),
    description="GeneFace: a talking head that says anything, from a talking video (head and torso, CPU or GPU).",
)
