"""A portrait as a nerfstudio model: what every method's model is, but for how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.models.base_model import Model
from torch import Tensor

from audio_motion.errors import InputError
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.plugin.options import LeanModelConfig
from geneface_ns.plugin.viewer import CaptureView, in_viewer, message_picture
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.renderers.contract import Renderer
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.compositing import lay_over
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.scene.truth import psnr
from geneface_ns.trained.checkpoint import check_capture
from geneface_ns.trained.methods import method_of


class PortraitModel(Model):
    """The portrait under nerfstudio. `kwargs["metadata"]["capture"]` is the capture, from the dataparser."""

    config: LeanModelConfig
    portrait: TalkingPortrait
    version_name = "format_version"
    """Of the buffer that holds the format of the method's checkpoints: by its name a method knows its own."""
    fingerprint: Tensor
    """uint8 [32] of the capture. A buffer, because nerfstudio's own commands hand on nothing but tensors."""

    def populate_modules(self) -> None:
        super().populate_modules()
        self.method = method_of(self.config)
        self.register_buffer(self.version_name, torch.tensor(self.method.format))
        metadata = self.kwargs["metadata"]
        digest = bytes.fromhex(fingerprint(metadata["capture"]))
        self.register_buffer("fingerprint", torch.tensor(list(digest), dtype=torch.uint8))
        self.portrait = self.method.portrait(metadata["capture"], metadata["downscale"], self.config)
        self.renderer: Renderer | None = None
        self.view = CaptureView(self.portrait, metadata["capture"])
        self.step = 0

    def working(self, step: int) -> AbstractContextManager[Any]:
        """What a step of the training is done within."""
        return nullcontext()

    def takes_size(self, name: str) -> bool:
        """Whether a tensor gets the size that the checkpoint's has."""
        return False

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint whole: nerfstudio retries a failed load with strict=False and goes on with what matched.

        Raises:
            InputError: the checkpoint is of another method, format, capture or size.
        """
        version = state_dict.get(self.version_name)
        if version is None:
            raise InputError(
                f"the checkpoint is of another method than {self.method.name}; check --load-config or --load-dir"
            )
        if int(version) != self.method.format:
            raise InputError(f"checkpoint format {int(version)}, this program reads {self.method.format}; train again")
        trained_on = bytes(state_dict["fingerprint"].tolist()).hex()
        check_capture(trained_on, self.kwargs["metadata"]["capture"], "the checkpoint")
        own, given = (
            {name: None if self.takes_size(name) else tensor.shape for name, tensor in tensors.items()}
            for tensors in (self.state_dict(), state_dict)
        )
        differing = sorted(name for name in {*own, *given} if own.get(name, 0) != given.get(name, 0))
        if differing:
            raise InputError(
                f"the checkpoint does not fit this model size or --downscale-factor ({differing[0]} differs); "
                "use the options it was trained with"
            )
        return super().load_state_dict(state_dict, strict=True, assign=assign)

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        over_real = lay_over(outputs["colour"], outputs["opacity"], batch["underlay"])
        metrics = {"psnr_head_over_real": psnr(over_real.detach(), batch["image"])}
        if "rgb" in outputs:
            metrics["psnr"] = psnr(outputs["rgb"].detach(), batch["image"])
        return metrics

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
