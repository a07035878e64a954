"""GeneFaceModel: the portrait as a nerfstudio model, with its two stages of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.base_model import Model, ModelConfig
from torch import Tensor
from torch.nn import Parameter

from audio_motion.errors import InputError, fail
from geneface_ns.data.datamanager import CaptureDataset
from geneface_ns.fields.head import HeadFieldConfig
from geneface_ns.fields.torso import TorsoFieldConfig
from geneface_ns.portrait import Pinhole, Portrait, lay_over
from geneface_ns.pose import project_to_capture
from geneface_ns.sampling import distortion
from geneface_ns.viewer import CaptureView

FORMAT_VERSION = 1


def psnr(rendered: Tensor, real: Tensor) -> Tensor:
    """Peak signal to noise ratio of pictures in [0, 1], dB."""
    return -10 * torch.log10(F.mse_loss(rendered, real).clamp_min(1e-10))


@dataclass
class GeneFaceModelConfig(ModelConfig):
    """Head and torso, and how rays are sampled and losses weighed."""

    _target: type = field(default_factory=lambda: GeneFaceModel)
    """target class to instantiate"""
    head: HeadFieldConfig = field(default_factory=HeadFieldConfig)
    """The head field."""
    torso: TorsoFieldConfig = field(default_factory=TorsoFieldConfig)
    """The torso field."""
    head_steps: int = 1000
    """Steps of the head stage; set by the trainer."""
    sample_step: float = 0.03
    """Distance between samples along a ray, face widths."""
    coarse_sample_step: float = 0.08
    """The same during the coarse steps, before empty space is known."""
    coarse_steps: int = 200
    """Steps with coarse samples."""
    occupancy_resolution: int = 96
    """Cells of the occupancy grid along each axis of the head's box."""
    occupancy_threshold: float = 0.02
    """Weight in a pixel under which a cell counts as empty."""
    mask_loss: float = 1e-3
    """Weight of the squared error between the head's opacity and its mask."""
    distortion_loss: float = 5e-3
    """Weight of the spread of a ray's weights along it, face widths."""
    underlay_loss: float = 0.1
    """Weight of the torso's error against the capture's own layer, where the head hides it and where it covers the
    head."""


class GeneFaceModel(Model):
    """The portrait under nerfstudio. `kwargs["metadata"]["capture"]` is the capture, from the dataparser."""

    config: GeneFaceModelConfig
    format_version: Tensor

    def populate_modules(self) -> None:
        super().populate_modules()
        config = self.config
        self.register_buffer("format_version", torch.tensor(FORMAT_VERSION))
        self.portrait = Portrait(
            self.kwargs["metadata"]["capture"],
            self.kwargs["metadata"]["downscale"],
            config.head,
            config.torso,
            config.sample_step,
            config.occupancy_resolution,
            config.eval_num_rays_per_chunk,
        )
        self.view = CaptureView(self.portrait)
        self.collider = None
        self.step = 0

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        groups: dict[str, list[Parameter]] = {}
        for part in ("head", "torso"):
            for name, parameter in getattr(self.portrait, part).named_parameters():
                is_grid = any(word in name for word in ("planes", "latents", "picture"))
                groups.setdefault(f"{part}_{'grids' if is_grid else 'networks'}", []).append(parameter)
        return groups

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint whole.

        nerfstudio retries a failed load with strict=False and goes on with whatever matched; here a checkpoint of
        another method, capture or format ends the program with one line and exit code 2.
        """
        version = state_dict.get("format_version")
        if version is None:
            fail(InputError("the checkpoint is of another method than geneface; check --load-config or --load-dir"))
        if int(version) != FORMAT_VERSION:
            fail(InputError(f"checkpoint format {int(version)}, this program reads {FORMAT_VERSION}; train again"))
        own = {name: tensor.shape for name, tensor in self.state_dict().items()}
        given = {name: tensor.shape for name, tensor in state_dict.items()}
        differing = sorted(name for name in {*own, *given} if own.get(name) != given.get(name))
        if differing:
            fail(
                InputError(
                    f"the checkpoint does not fit this capture or model size ({differing[0]} differs); "
                    "use the capture and options it was trained with"
                )
            )
        return super().load_state_dict(state_dict, strict=True, assign=assign)

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        assert training_callback_attributes.pipeline is not None
        dataset = training_callback_attributes.pipeline.datamanager.train_dataset
        assert isinstance(dataset, CaptureDataset)
        portrait = self.portrait

        def begin(step: int) -> None:
            self.step = step
            if step == 0:
                portrait.start_from_pictures(dataset.store, dataset.frames)
            for part, learns in ((portrait.head, self._in_head_stage), (portrait.torso, not self._in_head_stage)):
                for parameter in part.parameters():
                    parameter.requires_grad_(learns)

        def prune(step: int) -> None:
            if step >= self.config.coarse_steps and self._in_head_stage:
                # Halved every 16 steps: fog that a few steps have cleared is gone after a hundred.
                portrait.occupancy.prune(self.config.occupancy_threshold, decay=0.5)

        return [
            TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], begin),
            TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN_ITERATION], prune, update_every_num_iters=16),
        ]

    @property
    def _in_head_stage(self) -> bool:
        return self.step < self.config.head_steps

    def get_outputs(self, ray_bundle: RayBundle | Cameras) -> dict[str, Any]:
        """Rays of the capture's own cameras (training and eval batches); metadata["pixel"] as from the datamanager."""
        assert isinstance(ray_bundle, RayBundle)
        assert ray_bundle.times is not None
        portrait, config = self.portrait, self.config
        times, frame = torch.unique(ray_bundle.times[:, 0], return_inverse=True)
        condition = portrait.condition_at(times)
        is_coarse = self.training and self.step < config.coarse_steps
        with torch.set_grad_enabled(self.training and self._in_head_stage):
            rays = portrait.render_head(
                *(condition, ray_bundle.origins, ray_bundle.directions, frame),
                step=config.coarse_sample_step if is_coarse else None,
            )
        if self.training and self._in_head_stage and self.step >= config.coarse_steps // 2:
            portrait.occupancy.note(rays.samples.points, rays.weight.detach())
        outputs = {
            "head": rays.colour,
            "accumulation": rays.opacity,
            "spread": distortion(rays.samples, rays.weight),
        }
        if not (self.training and self._in_head_stage):
            head = torch.cat([rays.colour, rays.opacity], dim=1)
            outputs["torso"] = portrait.render_torso(condition, ray_bundle.metadata["pixel"], frame, head)
            outputs["rgb"] = lay_over(rays.colour, rays.opacity, outputs["torso"])
        return outputs

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        over_real = lay_over(outputs["head"], outputs["accumulation"], batch["underlay"])
        metrics = {"psnr_head_over_real": psnr(over_real.detach(), batch["image"])}
        if "rgb" in outputs:
            metrics["psnr"] = psnr(outputs["rgb"].detach(), batch["image"])
        return metrics

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Tensor], metrics_dict: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        config, image, underlay, opacity = self.config, batch["image"], batch["underlay"], outputs["accumulation"]
        if self._in_head_stage:
            trust = batch["trust"]
            error = (lay_over(outputs["head"], opacity, underlay) - image).square()
            uncovered = (opacity * (1 - underlay[:, 3:]) - batch["head"]).square()
            losses = {
                "rgb": (trust * error).mean(),
                "mask": config.mask_loss * (trust * uncovered).mean(),
                "distortion": config.distortion_loss * outputs["spread"],
            }
        else:
            losses = {
                "rgb": F.mse_loss(outputs["rgb"], image),
                "underlay": config.underlay_loss * F.mse_loss(outputs["torso"], underlay),
            }
        for name, value in losses.items():
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"loss term {name!r} is {value.item()} at step {self.step}; "
                    "resume from the last checkpoint with --load-dir"
                )
        return losses

    @torch.no_grad()
    def get_outputs_for_camera(self, camera: Cameras, obb_box: OrientedBox | None = None) -> dict[str, Tensor]:
        """Any pinhole camera at the time it carries (none: the first frame), with the torso on its plane."""
        if int(camera.camera_type.reshape(-1)[0]) != CameraType.PERSPECTIVE.value:
            fail(InputError("geneface renders perspective cameras only; choose that camera type"))
        portrait, device = self.portrait, self.portrait.device
        times = camera.times if camera.times is not None else torch.zeros(1, 1)
        condition = portrait.condition_at(times.reshape(-1)[:1].to(device).float())
        c2w = torch.eye(4, device=device)
        c2w[:3] = camera.camera_to_worlds.reshape(-1, 3, 4)[0].to(device)

        def first(value: Tensor) -> float:
            return float(value.reshape(-1)[0])

        view = Pinhole(
            (first(camera.fx), first(camera.fy)),
            (first(camera.cx), first(camera.cy)),
            (int(first(camera.width)), int(first(camera.height))),
        )
        directions = view.directions(torch.arange(view.size[0] * view.size[1], device=device), c2w)
        own = portrait.camera
        half = torch.tensor(own.size, device=device) / 2
        board = project_to_capture(
            *(c2w[:3, 3].expand_as(directions), directions, condition.c2w[0]),
            torch.tensor(own.focal, device=device) / half,
            torch.tensor(own.centre, device=device) / half - 1,
        )
        return portrait.render_picture(condition, c2w, view, board)

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
