"""nerfstudio's options that mean nothing to geneface, kept off its command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.data.pixel_samplers import PixelSamplerConfig
from nerfstudio.models.base_model import ModelConfig
from tyro.conf import Suppress


@dataclass
class LeanDataManagerConfig(VanillaDataManagerConfig):
    """What is left of VanillaDataManagerConfig where frames are decoded and rays drawn one step at a time."""

    masks_on_gpu: Suppress[bool] = False
    images_on_gpu: Suppress[bool] = False
    train_num_images_to_sample_from: Suppress[int] = -1
    train_num_times_to_repeat_images: Suppress[int] = -1
    eval_num_rays_per_batch: Suppress[int] = 1024
    eval_num_images_to_sample_from: Suppress[int] = -1
    eval_num_times_to_repeat_images: Suppress[int] = -1
    eval_image_indices: Suppress[tuple[int, ...] | None] = (0,)
    camera_res_scale_factor: Suppress[float] = 1.0
    patch_size: Suppress[int] = 1
    pixel_sampler: Suppress[PixelSamplerConfig] = field(default_factory=PixelSamplerConfig)


@dataclass
class LeanModelConfig(ModelConfig):
    """What is left of ModelConfig where a head is sampled in its own box and has its own losses."""

    enable_collider: Suppress[bool] = False
    collider_params: Suppress[dict[str, float] | None] = None
    loss_coefficients: Suppress[dict[str, float]] = field(default_factory=dict)
    prompt: Suppress[str | None] = None
