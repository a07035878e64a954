"""GeneFaceModel: the portrait as a nerfstudio model, with its two stages of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.base_model import Model
from torch import Tensor
from torch.nn import Parameter
from tyro.conf import Suppress

from audio_motion.errors import InputError
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.nerf import training
from geneface_ns.nerf.checkpoint import FORMAT, check_capture
from geneface_ns.nerf.losses import LossConfig
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.training import Rendered, StageConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.plugin.datamanager import GeneFaceDataManager
from geneface_ns.plugin.options import LeanModelConfig
from geneface_ns.plugin.viewer import CaptureView, in_viewer, message_picture
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.renderers.contract import Renderer
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.draws import Rays
from geneface_ns.scene.truth import Truth, psnr


@dataclass
class GeneFaceModelConfig(LossConfig, StageConfig, PortraitConfig, LeanModelConfig):
    """Head and torso, and how rays are sampled and losses weighed."""

    _target: type = field(default_factory=lambda: GeneFaceModel)
    """target class to instantiate"""
    head_steps: Suppress[int] = 1000
    """Steps of the head stage; set by the trainer."""


class GeneFaceModel(Model):
    """The portrait under nerfstudio. `kwargs["metadata"]["capture"]` is the capture, from the dataparser."""

    config: GeneFaceModelConfig
    format_version: Tensor
    fingerprint: Tensor
    """uint8 [32] of the capture. A buffer, because nerfstudio's own commands hand on nothing but tensors."""

    def populate_modules(self) -> None:
        super().populate_modules()
        self.register_buffer("format_version", torch.tensor(FORMAT))
        metadata = self.kwargs["metadata"]
        digest = bytes.fromhex(fingerprint(metadata["capture"]))
        self.register_buffer("fingerprint", torch.tensor(list(digest), dtype=torch.uint8))
        self.portrait = Portrait(metadata["capture"], metadata["downscale"], self.config)
        self.renderer: Renderer | None = None
        self.view = CaptureView(self.portrait, metadata["capture"])
        self.step = 0
        # Noted apart in each process and joined in `training.prune`: not to be overwritten by the first process's.
        self._ddp_params_and_buffers_to_ignore = ["portrait.occupancy.weight", "portrait.occupancy.occupied"]
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        return training.parameter_groups(self.portrait)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint whole: nerfstudio retries a failed load with strict=False and goes on with what matched.

        Raises:
            InputError: the checkpoint is of another method, format, capture or size.
        """
        version = state_dict.get("format_version")
        if version is None:
            raise InputError("the checkpoint is of another method than geneface; check --load-config or --load-dir")
        if int(version) != FORMAT:
            raise InputError(f"checkpoint format {int(version)}, this program reads {FORMAT}; train again")
        trained_on = bytes(state_dict["fingerprint"].tolist()).hex()
        check_capture(trained_on, self.kwargs["metadata"]["capture"], "the checkpoint")
        own = {name: tensor.shape for name, tensor in self.state_dict().items()}
        given = {name: tensor.shape for name, tensor in state_dict.items()}
        differing = sorted(name for name in {*own, *given} if own.get(name) != given.get(name))
        if differing:
            raise InputError(
                f"the checkpoint does not fit this model size or --downscale-factor ({differing[0]} differs); "
                "use the options it was trained with"
            )
        return super().load_state_dict(state_dict, strict=True, assign=assign)

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
        assert ray_bundle.times is not None
        rays = Rays(ray_bundle.times[:, 0], ray_bundle.origins, ray_bundle.directions, ray_bundle.metadata["pixel"])
        rendered = training.render_rays(self.portrait, rays, self.step, self.config, self.rank)
        return {name: value for name, value in rendered._asdict().items() if value is not None}

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        over_real = lay_over(outputs["colour"], outputs["opacity"], batch["underlay"])
        metrics = {"psnr_head_over_real": psnr(over_real.detach(), batch["image"])}
        if "rgb" in outputs:
            metrics["psnr"] = psnr(outputs["rgb"].detach(), batch["image"])
        return metrics

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Tensor], metrics_dict: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        rendered = Rendered(**{name: outputs.get(name) for name in Rendered._fields})  # type: ignore[arg-type]
        truth = Truth(*(batch[name] for name in Truth._fields))
        return training.losses(rendered, truth, self.step, self.config, self.config)

    def get_outputs_for_camera(self, camera: Cameras, obb_box: OrientedBox | None = None) -> dict[str, Tensor]:
        """Any pinhole camera at the time it carries (none: the first frame), with the torso on its plane.

        Raises:
            InputError: the camera is no pinhole, or the picture is to be cropped. In the viewer it is shown as the
                picture instead, until the user has chosen otherwise.
        """
        try:
            return self._render(camera, obb_box)
        except InputError as error:
            if not in_viewer():
                raise
            size = int(camera.width.reshape(-1)[0]), int(camera.height.reshape(-1)[0])
            rgb = torch.from_numpy(message_picture(str(error), size)).to(self.device)
            return {"rgb": rgb, "head": rgb, "accumulation": rgb[..., :1], "depth": rgb[..., :1]}

    @torch.no_grad()
    def _render(self, camera: Cameras, crop: OrientedBox | None) -> dict[str, Tensor]:
        if int(camera.camera_type.reshape(-1)[0]) != CameraType.PERSPECTIVE.value:
            raise InputError("geneface renders perspective cameras only; choose that camera type")
        if crop is not None:
            raise InputError(
                "geneface does not crop; switch the viewport's crop off, or take it out of the camera path"
            )
        device = self.portrait.device
        times = camera.times if camera.times is not None else torch.zeros(1, 1)
        condition = self.portrait.table(times.reshape(-1)[:1].to(device).float())
        c2w = torch.eye(4, device=device)
        c2w[:3] = camera.camera_to_worlds.reshape(-1, 3, 4)[0].to(device)

        def first(value: Tensor) -> float:
            return float(value.reshape(-1)[0])

        view = Pinhole(
            (first(camera.fx), first(camera.fy)),
            (first(camera.cx), first(camera.cy)),
            (int(first(camera.width)), int(first(camera.height))),
        )
        if self.renderer is None:  # when the portrait lies where it will be rendered
            self.renderer = choose_renderer(self.portrait, rays_per_chunk=self.config.eval_num_rays_per_chunk)
        layers = self.renderer.render(condition, view, c2w)
        return {"rgb": layers.rgb, "head": layers.head, "accumulation": layers.opacity, "depth": layers.depth}

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Tensor]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        image, underlay = batch["image"].to(self.device), batch["underlay"].to(self.device)
        over_real = lay_over(outputs["head"], outputs["accumulation"], underlay).clamp(0, 1)
        x0, y0, x1, y1 = (int(v) for v in batch["lips_box"])
        rows, columns = slice(max(y0, 0), y1 + 1), slice(max(x0, 0), x1 + 1)
        metrics = {
            "psnr": float(psnr(outputs["rgb"], image)),
            "psnr_head_over_real": float(psnr(over_real, image)),
            "psnr_lips": float(psnr(outputs["rgb"][rows, columns], image[rows, columns])),
        }
        side_by_side = torch.cat([image, outputs["rgb"], over_real], dim=1)
        return metrics, {"img": side_by_side, "accumulation": outputs["accumulation"]}
