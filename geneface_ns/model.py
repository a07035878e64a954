"""GeneFaceModel: the head over the torso over the background, for nerfstudio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
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
from geneface_ns.data.capture import Capture
from geneface_ns.data.frames import FrameStore, read_png
from geneface_ns.fields.head import HeadField, HeadFieldConfig
from geneface_ns.fields.torso import REACH, TorsoField, TorsoFieldConfig
from geneface_ns.pose import body_in_image_units, invert_affine, motion_features, project_to_capture
from geneface_ns.sampling import Occupancy, accumulate, distortion, pinhole_directions, render_weights

FORMAT_VERSION = 1


def psnr(rendered: Tensor, real: Tensor) -> Tensor:
    """Peak signal to noise ratio of pictures in [0, 1], dB."""
    return -10 * torch.log10(F.mse_loss(rendered, real).clamp_min(1e-10))


class Condition(NamedTuple):
    """What drives B frames."""

    landmarks: Tensor
    """[B, 68, 3], head frame."""
    eye_openness: Tensor
    """[B, 2]."""
    c2w: Tensor
    """[B, 4, 4], the capture camera of the frame."""
    body: Tensor
    """[B, 2, 3] body motion, the image as [-1, 1]^2."""


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
    """Weight of the torso's error where the head hides it."""


class GeneFaceModel(Model):
    """A head field rendered over a torso field.

    `kwargs["metadata"]["capture"]` is the capture (dataparser). The model keeps each frame's condition in buffers,
    looked up by `Cameras.times`, so that a checkpoint drives itself with the capture's own motion.
    """

    config: GeneFaceModelConfig

    def populate_modules(self) -> None:
        super().populate_modules()
        capture: Capture = self.kwargs["metadata"]["capture"]
        downscale: int = self.kwargs["metadata"]["downscale"]
        self.image_size = (capture.width // downscale, capture.height // downscale)
        """Width and height of the training pictures."""
        self.focal = (capture.focal[0] / downscale, capture.focal[1] / downscale)
        self.centre = (capture.centre[0] / downscale, capture.centre[1] / downscale)
        sequence = capture.landmarks
        self.register_buffer("format_version", torch.tensor(FORMAT_VERSION))
        self.register_buffer("table_landmarks", torch.from_numpy(sequence.landmarks))
        self.register_buffer("table_eyes", torch.from_numpy(sequence.eye_openness))
        self.register_buffer("table_c2w", torch.from_numpy(capture.c2w))
        body = body_in_image_units(torch.from_numpy(capture.body), capture.width, capture.height)
        self.register_buffer("table_body", body)
        train = torch.from_numpy(np.flatnonzero(capture.is_train & capture.valid))
        box = torch.from_numpy(capture.head_box)
        self.head = HeadField(self.config.head, box, self.table_landmarks[train], self.table_eyes[train])
        self.occupancy = Occupancy(box, self.config.occupancy_resolution, self.config.sample_step)
        self.torso = TorsoField(
            self.config.torso, *self.image_size, motion_features(self.table_c2w[train], self.table_body[train])
        )
        self.collider = None
        self.step = 0

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        groups: dict[str, list[Parameter]] = {}
        for part in ("head", "torso"):
            for name, parameter in getattr(self, part).named_parameters():
                is_grid = any(word in name for word in ("planes", "latents", "picture"))
                groups.setdefault(f"{part}_{'grids' if is_grid else 'networks'}", []).append(parameter)
        return groups

    def load_state_dict(self, state_dict: Mapping, strict: bool = True, assign: bool = False):  # type: ignore[override]
        """Load a checkpoint whole.

        nerfstudio retries a failed load with strict=False and goes on with whatever matched; here a checkpoint of
        another method, capture or format ends the program with one line.
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

    # ---------------------------------------------------------------- training

    def get_training_callbacks(self, attributes: TrainingCallbackAttributes) -> list[TrainingCallback]:
        assert attributes.pipeline is not None
        store: FrameStore = attributes.pipeline.datamanager.train_dataset.store
        frames: np.ndarray = attributes.pipeline.datamanager.train_dataset.frames

        def begin(step: int) -> None:
            self.step = step
            if step == 0:
                self.start_from_pictures(store, frames)
            in_head = step < self.config.head_steps
            for part, learns in ((self.head, in_head), (self.torso, not in_head)):
                for parameter in part.parameters():
                    parameter.requires_grad_(learns)

        def prune(step: int) -> None:
            if self.config.coarse_steps <= step < self.config.head_steps:
                self.occupancy.prune(self.config.occupancy_threshold, decay=0.5)

        return [
            TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], begin),
            TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN_ITERATION], prune, update_every_num_iters=16),
        ]

    @torch.no_grad()
    def start_from_pictures(self, store: FrameStore, frames: np.ndarray, views: int = 40) -> None:
        """Carve the head's visual hull and take the mean torso, from up to `views` frames spread over the capture."""
        picks = frames[np.linspace(0, len(frames) - 1, min(views, len(frames))).astype(int)]
        width, height = self.image_size
        kernel = np.ones((2 * max(1, width // 40) + 1,) * 2, np.uint8)
        masks = [cv2.dilate((store.frame(int(i)).head > 0).astype(np.uint8), kernel) > 0 for i in picks]
        device = self.table_c2w.device
        stacked = torch.from_numpy(np.stack(masks)).to(device)
        self.occupancy.carve(stacked, self.table_c2w[torch.from_numpy(picks)], self.focal, self.centre)
        rows, columns = self.torso.torso_picture.shape[1:]
        y = ((torch.arange(rows) + 0.5) / rows * 2 - 1) * REACH
        x = ((torch.arange(columns) + 0.5) / columns * 2 - 1) * REACH
        position = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # [rows, columns, 2]
        total = torch.zeros(4, rows, columns)
        for i in picks:
            rgba = torch.from_numpy(read_png(store.capture.torso_path(int(i)))).float().permute(2, 0, 1) / 255
            rgba = F.interpolate(rgba[None], size=(height, width), mode="area")[0]
            affine = self.table_body[int(i)].cpu()
            moved = position @ affine[:, :2].T + affine[:, 2]
            total += F.grid_sample(
                torch.cat([rgba[:3] * rgba[3:], rgba[3:]])[None],
                moved[None],
                align_corners=False,
                padding_mode="border",
            )[0]
        torso = torch.cat([total[:3] / total[3:].clamp_min(1e-4), total[3:] / len(picks)])
        background = torch.from_numpy(read_png(store.capture.folder / "background.png")).float().permute(2, 0, 1) / 255
        background = F.interpolate(background[None], size=(height, width), mode="area")
        background = F.grid_sample(background, position[None], align_corners=False, padding_mode="border")[0]
        self.torso.start_from(torso.to(device), background.to(device))

    def condition_at(self, times: Tensor) -> Condition:
        """The capture's own condition at times [B] (0 first frame, 1 last), linear between frames."""
        position = times.clamp(0, 1) * (len(self.table_landmarks) - 1)
        low = position.floor().long().clamp_max(max(len(self.table_landmarks) - 2, 0))
        high = (low + 1).clamp_max(len(self.table_landmarks) - 1)
        weight = position - low

        def mix(table: Tensor) -> Tensor:
            return torch.lerp(table[low], table[high], weight.view(-1, *[1] * (table.dim() - 1)))

        nearest = torch.where(weight < 0.5, low, high)
        return Condition(mix(self.table_landmarks), mix(self.table_eyes), self.table_c2w[nearest], mix(self.table_body))

    def _render_head(
        self, condition: Condition, origins: Tensor, directions: Tensor, frame: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of the head along rays, each of its own frame: colour [N, 3] (premultiplied), opacity and depth [N, 2], and
        the mean spread along the rays."""
        features = motion_features(condition.c2w, condition.body)
        pose = ((features - self.torso.motion_mean) / self.torso.motion_scale)[:, :6].clamp(-4, 4)
        state = self.head.frame_state(condition.landmarks, condition.eye_openness, pose)
        coarse = self.training and self.step < self.config.coarse_steps
        step = self.config.coarse_sample_step if coarse else None
        samples = self.occupancy.sample(origins, directions, jitter=self.training, step=step)
        density, colour = self.head(state, samples.points, frame[samples.ray])
        weight = render_weights(samples, density)
        if self.training and self.config.coarse_steps // 2 < self.step < self.config.head_steps:
            self.occupancy.note(samples.points, weight.detach())
        rgb, opacity, depth = accumulate(samples, weight, colour)
        return rgb, torch.stack([opacity, depth], dim=1), distortion(samples, weight)

    def _render_torso(self, condition: Condition, pixel: Tensor, frame: Tensor, head: Tensor) -> Tensor:
        """Colour [N, 3] behind the head at pixels [N, 2]."""
        motion = motion_features(condition.c2w, condition.body)
        return self.torso(pixel, frame, invert_affine(condition.body), motion, head)

    def get_outputs(self, ray_bundle: RayBundle) -> dict[str, Tensor]:
        """Rays of the capture's own cameras (training and eval batches); metadata["pixel"] as from the datamanager."""
        times, frame = torch.unique(ray_bundle.times[:, 0], return_inverse=True)
        condition = self.condition_at(times)
        if self.training and self.step >= self.config.head_steps:
            with torch.no_grad():
                head, extent, spread = self._render_head(condition, ray_bundle.origins, ray_bundle.directions, frame)
        else:
            head, extent, spread = self._render_head(condition, ray_bundle.origins, ray_bundle.directions, frame)
        outputs = {"head": head, "accumulation": extent[:, :1], "spread": spread}
        if not self.training or self.step >= self.config.head_steps:
            rgba = torch.cat([head, extent[:, :1]], dim=1)
            outputs["torso"] = self._render_torso(condition, ray_bundle.metadata["pixel"], frame, rgba)
            outputs["rgb"] = head + (1 - extent[:, :1]) * outputs["torso"]
        return outputs

    def get_metrics_dict(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        over_real = outputs["head"] + (1 - outputs["accumulation"]) * batch["underlay"]
        metrics = {"psnr_head_over_real": psnr(over_real.detach(), batch["image"])}
        if "rgb" in outputs:
            metrics["psnr"] = psnr(outputs["rgb"].detach(), batch["image"])
        return metrics

    def get_loss_dict(
        self, outputs: dict[str, Tensor], batch: dict[str, Tensor], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        image, underlay, opacity = batch["image"], batch["underlay"], outputs["accumulation"]
        if "torso" in outputs:
            losses = {
                "rgb": F.mse_loss(outputs["rgb"], image),
                "underlay": self.config.underlay_loss * F.mse_loss(outputs["torso"], underlay),
            }
        else:
            losses = {
                "rgb": F.mse_loss(outputs["head"] + (1 - opacity) * underlay, image),
                "mask": self.config.mask_loss * F.mse_loss(opacity, batch["head"]),
                "distortion": self.config.distortion_loss * outputs["spread"],
            }
        for name, value in losses.items():
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"loss term {name!r} is {value.item()} at step {self.step}; "
                    "resume from the last checkpoint with --load-dir"
                )
        return losses

    # --------------------------------------------------------------- rendering

    @torch.no_grad()
    def render_frame(
        self,
        c2w: Tensor,
        landmarks: Tensor,
        eye_openness: Tensor,
        body: Tensor,
        size: tuple[int, int],
        underlay: Tensor | None = None,
    ) -> Tensor:
        """One frame as the capture's camera sees it.

        Args:
            c2w: [4, 4] camera to head frame.
            landmarks: [68, 3], head frame.
            eye_openness: [2].
            body: [2, 3] the torso's affine motion, capture pixels (transforms.json).
            size: width and height of the picture wanted.
            underlay: [H, W, 3] in [0, 1]: put the head over this picture instead of the rendered torso.

        Returns:
            [H, W, 3] in [0, 1].
        """
        device = self.table_c2w.device
        capture: Capture = self.kwargs["metadata"]["capture"]
        condition = Condition(
            landmarks[None].to(device),
            eye_openness[None].to(device),
            c2w[None].to(device),
            body_in_image_units(body[None].to(device), capture.width, capture.height),
        )
        scale = (size[0] / self.image_size[0], size[1] / self.image_size[1])
        focal = (self.focal[0] * scale[0], self.focal[1] * scale[1])
        centre = (self.centre[0] * scale[0], self.centre[1] * scale[1])
        outputs = self._render_picture(condition, condition.c2w[0], focal, centre, size, None, underlay)
        return outputs["rgb"].clamp(0, 1)

    def _render_picture(
        self,
        condition: Condition,
        c2w: Tensor,
        focal: tuple[float, float],
        centre: tuple[float, float],
        size: tuple[int, int],
        board: Tensor | None,
        underlay: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Head over torso for one pinhole camera.

        Args:
            board: [H W, 2] where each pixel meets the torso's plane; None for the capture's own camera.

        Returns:
            rgb, head (premultiplied) [H, W, 3]; accumulation, depth [H, W, 1].
        """
        width, height = size
        device = c2w.device
        count = width * height
        head = torch.zeros(count, 3, device=device)
        extent = torch.zeros(count, 2, device=device)
        seen = self.occupancy.image_mask(c2w, focal, centre, size).view(-1).nonzero()[:, 0]
        for pixels in seen.split(self.config.eval_num_rays_per_chunk):
            centres = torch.stack([pixels % width, pixels // width], dim=1) + 0.5
            directions = pinhole_directions(centres, focal, centre) @ c2w[:3, :3].T
            frame = torch.zeros_like(pixels)
            head[pixels], extent[pixels], _ = self._render_head(
                condition, c2w[:3, 3].expand_as(directions), directions, frame
            )
        opacity = extent[:, :1]
        if underlay is not None:
            behind = underlay.to(device).reshape(-1, 3)
        else:
            if board is None:
                x = (torch.arange(width, device=device) + 0.5) / width * 2 - 1
                y = (torch.arange(height, device=device) + 0.5) / height * 2 - 1
                board = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
            rgba = torch.cat([head, opacity], dim=1)
            frame = torch.zeros(count, dtype=torch.long, device=device)
            behind = self._render_torso(condition, board, frame, rgba)
        rgb = head + (1 - opacity) * behind
        depth = extent[:, 1:] / opacity.clamp_min(1e-4)
        pictures = {"rgb": rgb, "head": head, "accumulation": opacity, "depth": depth}
        return {name: value.reshape(height, width, -1) for name, value in pictures.items()}

    @torch.no_grad()
    def get_outputs_for_camera(self, camera: Cameras, obb_box: OrientedBox | None = None) -> dict[str, Tensor]:
        """Any pinhole camera at the time it carries (none: the first frame), with the torso on its plane.

        Raises:
            InputError: a camera type other than perspective.
        """
        if int(camera.camera_type.reshape(-1)[0]) != CameraType.PERSPECTIVE.value:
            raise InputError("geneface renders perspective cameras only; choose that camera type")
        device = self.table_c2w.device
        times = camera.times if camera.times is not None else torch.zeros(1, 1)
        condition = self.condition_at(times.reshape(-1)[:1].to(device).float())
        c2w = torch.eye(4, device=device)
        c2w[:3] = camera.camera_to_worlds.reshape(-1, 3, 4)[0].to(device)
        focal = (float(camera.fx.reshape(-1)[0]), float(camera.fy.reshape(-1)[0]))
        centre = (float(camera.cx.reshape(-1)[0]), float(camera.cy.reshape(-1)[0]))
        size = (int(camera.width.reshape(-1)[0]), int(camera.height.reshape(-1)[0]))
        flat = torch.arange(size[0] * size[1], device=device)
        centres = torch.stack([flat % size[0], flat // size[0]], dim=1) + 0.5
        directions = pinhole_directions(centres, focal, centre) @ c2w[:3, :3].T
        half = torch.tensor([self.image_size[0] / 2, self.image_size[1] / 2], device=device)
        board = project_to_capture(
            c2w[:3, 3].expand_as(directions),
            directions,
            condition.c2w[0],
            torch.tensor(self.focal, device=device) / half,
            torch.tensor(self.centre, device=device) / half - 1,
        )
        outputs = self._render_picture(condition, c2w, focal, centre, size, board)
        outputs["rgb"] = outputs["rgb"].clamp(0, 1)
        return outputs

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Tensor]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        image, underlay = batch["image"].to(self.device), batch["underlay"].to(self.device)
        over_real = (outputs["head"] + (1 - outputs["accumulation"]) * underlay).clamp(0, 1)
        x0, y0, x1, y1 = (int(v) for v in batch["lips_box"])
        rows, columns = slice(max(y0, 0), y1 + 1), slice(max(x0, 0), x1 + 1)
        metrics = {
            "psnr": float(psnr(outputs["rgb"], image)),
            "psnr_head_over_real": float(psnr(over_real, image)),
            "psnr_lips": float(psnr(outputs["rgb"][rows, columns], image[rows, columns])),
        }
        pictures = {
            "img": torch.cat([image, outputs["rgb"], over_real], dim=1),
            "accumulation": outputs["accumulation"],
        }
        return metrics, pictures
