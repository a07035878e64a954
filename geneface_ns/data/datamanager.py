"""nerfstudio datamanager of a capture: frames decoded when needed, rays drawn where each stage learns."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.configs.dataparser_configs import AnnotatedDataParserUnion
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager, VanillaDataManagerConfig
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.utils.dataloaders import FixedIndicesEvalDataloader, RandIndicesEvalDataloader

from audio_motion.errors import InputError, exits_on_input_error, fail
from geneface_ns.data.dataparser import GeneFaceDataParserConfig
from geneface_ns.data.frames import FrameStore
from geneface_ns.data.neck import neck_under_collar
from geneface_ns.sampling import pinhole_directions


class CaptureDataset(InputDataset):
    """Whole frames for evaluation: image, underlay, head coverage and the lips' box."""

    exclude_batch_keys_from_device: list[str] = []  # noqa: RUF012 - nerfstudio's own attribute

    def __init__(self, dataparser_outputs: DataparserOutputs, scale_factor: float = 1.0) -> None:
        metadata = dataparser_outputs.metadata
        if "capture" not in metadata:
            fail(InputError("geneface trains on captures only; use `ns-train geneface --data CAPTURE_DIRECTORY`"))
        super().__init__(dataparser_outputs, scale_factor)
        self.frames = metadata["frames"]
        self.store = FrameStore(metadata["capture"], metadata["downscale"])

    def get_data(self, image_idx: int, image_type: str = "float32") -> dict:
        index = int(self.frames[image_idx])
        with exits_on_input_error():
            frame = self.store.frame(index)
        lips = self.store.capture.lips_box[index] / self.store.downscale
        return {
            "image_idx": image_idx,
            "image": torch.from_numpy(frame.image).float() / 255,
            "underlay": torch.from_numpy(frame.underlay).float() / 255,
            "head": torch.from_numpy(frame.head).float()[..., None] / 255,
            "lips_box": torch.from_numpy(lips),
        }


@dataclass
class GeneFaceDataManagerConfig(VanillaDataManagerConfig):
    """Frames of a capture, decoded when needed."""

    _target: type = field(default_factory=lambda: GeneFaceDataManager)
    """target class to instantiate"""
    dataparser: AnnotatedDataParserUnion = field(default_factory=GeneFaceDataParserConfig)
    """Specifies the dataparser used to unpack the data."""
    train_num_rays_per_batch: int = 3072
    """Rays per step."""
    frames_per_batch: int = 4
    """Frames that the rays of a step come from."""
    lips_share: float = 0.25
    """Part of the head's rays drawn from the lips' box: the mouth is small and matters most."""
    neck_reach: float = 0.03
    """How far the neck is continued under the collar, image widths."""
    neck_trust: float = 0.1
    """Weight of a continued pixel against a seen one."""
    head_steps: int = 1000
    """Steps of the head stage; set by the trainer."""


class GeneFaceDataManager(VanillaDataManager[CaptureDataset]):
    """Draws rays: in the head stage around the head and the lips, then over the whole picture."""

    config: GeneFaceDataManagerConfig

    def setup_train(self) -> None:
        """Nothing to load ahead: frames are decoded when drawn."""

    def setup_eval(self) -> None:
        self.fixed_indices_eval_dataloader = FixedIndicesEvalDataloader(
            input_dataset=self.eval_dataset, device=self.device, num_workers=0
        )
        self.eval_dataloader = RandIndicesEvalDataloader(
            input_dataset=self.eval_dataset, device=self.device, num_workers=0
        )

    def next_train(self, step: int) -> tuple[RayBundle, dict]:
        self.train_count += 1
        return self._draw(self.train_dataset, step)

    def next_eval(self, step: int) -> tuple[RayBundle, dict]:
        self.eval_count += 1
        return self._draw(self.eval_dataset, step)

    def next_eval_image(self, step: int) -> tuple[Cameras, dict]:
        return next(iter(self.eval_dataloader))

    def get_train_rays_per_batch(self) -> int:
        return self.config.train_num_rays_per_batch

    def _draw(self, dataset: CaptureDataset, step: int) -> tuple[RayBundle, dict]:
        # Drawn from the step alone: a resumed run sees the same batches.
        rng = np.random.default_rng((step, len(dataset)))
        picks = rng.integers(len(dataset), size=self.config.frames_per_batch)
        each = self.config.train_num_rays_per_batch // len(picks)
        width, height = dataset.store.size
        rows: list[dict[str, np.ndarray]] = []
        for pick in picks:
            index = int(dataset.frames[pick])
            with exits_on_input_error():
                frame = dataset.store.frame(index)
            in_head_stage = step < self.config.head_steps
            if in_head_stage:
                lips = dataset.store.capture.lips_box[index] / dataset.store.downscale
                pixels = head_pixels(frame.head, lips, each, self.config.lips_share, rng)
            else:
                pixels = rng.integers(width * height, size=each)
            row = {
                "pixels": pixels,
                "image": frame.image.reshape(-1, 3)[pixels],
                "underlay": frame.underlay.reshape(-1, 4)[pixels],
                "head": frame.head.reshape(-1, 1)[pixels],
                "trust": np.full((each, 1), 255, np.uint8),
            }
            if in_head_stage:
                reach = max(1, round(self.config.neck_reach * width))
                under, colour = neck_under_collar(frame.image, frame.head, frame.underlay[..., 3], reach)
                guessed = under.reshape(-1)[pixels]
                row["image"][guessed] = colour.reshape(-1, 3)[pixels[guessed]]
                row["underlay"][guessed, 3] = 0
                row["head"][guessed] = 255
                row["trust"][guessed] = round(255 * self.config.neck_trust)
            rows.append(row)
        stacked = {name: torch.from_numpy(np.concatenate([row[name] for row in rows])) for name in rows[0]}
        batch = {name: stacked[name].to(self.device).float() / 255 for name in ("image", "underlay", "head", "trust")}
        flat = stacked["pixels"].to(self.device)
        centres = torch.stack([flat % width, flat // width], dim=1) + 0.5
        which = torch.from_numpy(picks).repeat_interleave(each)
        return ray_bundle(dataset.cameras, which, centres), batch


def head_pixels(
    head: np.ndarray, lips_box: np.ndarray, count: int, lips_share: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw pixels in and around the head, and a share of them in the lips' box.

    Args:
        head: uint8 [H, W], how much of the pixel is head.
        lips_box: [4] x0, y0, x1, y1 in pixels.

    Returns:
        int64 [count] flat indices; all over the picture where no head is seen.
    """
    height, width = head.shape
    margin = max(1, width // 32)  # the head's outline is learned from what lies beside it
    around = cv2.dilate((head > 0).astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    candidates = np.flatnonzero(around) if around.any() else np.arange(height * width)
    pixels = rng.choice(candidates, size=count)
    in_lips = round(count * lips_share)
    grow = 0.15 * (lips_box[2] - lips_box[0])
    x0, y0 = np.clip(np.floor(lips_box[:2] - grow).astype(int), 0, (width - 1, height - 1))
    x1, y1 = np.clip(np.ceil(lips_box[2:] + grow).astype(int), (x0 + 1, y0 + 1), (width, height))
    pixels[:in_lips] = rng.integers(y0, y1, size=in_lips) * width + rng.integers(x0, x1, size=in_lips)
    return pixels


def ray_bundle(cameras: Cameras, which: torch.Tensor, pixels: torch.Tensor) -> RayBundle:
    """Rays of a capture's pinhole cameras.

    Args:
        which: int64 [N] index into cameras.
        pixels: [N, 2] x, y, centres at +0.5.

    Returns:
        RayBundle [N] with times, and metadata["pixel"] [N, 2]: the image as [-1, 1]^2, y down.
    """
    first, times = cameras[0], cameras.times
    assert times is not None
    focal, centre = (float(first.fx), float(first.fy)), (float(first.cx), float(first.cy))
    c2w = cameras.camera_to_worlds.to(pixels.device)[which]
    local = pinhole_directions(pixels, focal, centre)
    size = torch.tensor([float(first.width), float(first.height)], device=pixels.device)
    return RayBundle(
        origins=c2w[:, :, 3],
        directions=(c2w[:, :, :3] @ local[:, :, None])[..., 0],
        pixel_area=torch.ones_like(local[:, :1]),
        camera_indices=which[:, None].to(pixels.device),
        times=times.to(pixels.device)[which],
        metadata={"pixel": pixels / size * 2 - 1},
    )
