"""nerfstudio datamanager of a capture: rays drawn from prepared frames where each stage learns."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.configs.dataparser_configs import AnnotatedDataParserUnion
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.utils.dataloaders import FixedIndicesEvalDataloader, RandIndicesEvalDataloader
from nerfstudio.utils.rich_utils import CONSOLE
from tyro.conf import Suppress

from audio_motion.errors import InputError
from audio_motion.progress import frame_bar
from geneface_ns.nerf.draws import HeadDrawConfig, draw, ray_source
from geneface_ns.plugin.dataparser import GeneFaceDataParserConfig
from geneface_ns.plugin.options import LeanDataManagerConfig
from geneface_ns.scene.draws import DrawConfig, Rays, RaySource
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import Prepared, prepare


class CaptureDataset(InputDataset):
    """Whole frames for evaluation: image, underlay, head coverage and the lips' box."""

    exclude_batch_keys_from_device: list[str] = []  # noqa: RUF012 - nerfstudio's own attribute

    def __init__(self, dataparser_outputs: DataparserOutputs, scale_factor: float = 1.0) -> None:
        metadata = dataparser_outputs.metadata
        if "capture" not in metadata:
            raise InputError("geneface trains on captures only; use `ns-train geneface --data CAPTURE_DIRECTORY`")
        if scale_factor != 1:  # rays are drawn from the capture's own size
            raise InputError("camera_res_scale_factor is nothing to geneface; use geneface-data --downscale-factor")
        super().__init__(dataparser_outputs)
        self.frames = metadata["frames"]
        self.store = FrameStore(metadata["capture"], metadata["downscale"])

    def get_data(self, image_idx: int, image_type: str = "float32") -> dict:
        index = int(self.frames[image_idx])
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
class CaptureDataManagerConfig(DrawConfig, LeanDataManagerConfig):
    """What every method draws its steps from."""

    dataparser: AnnotatedDataParserUnion = field(default_factory=GeneFaceDataParserConfig)
    """Specifies the dataparser used to unpack the data."""
    train_num_rays_per_batch: int = 3072
    """Rays per step."""
    head_steps: Suppress[int] = 1000
    """Steps of the head stage; set by the trainer."""


class CaptureDataManager(VanillaDataManager[CaptureDataset]):
    """Draws the steps of a training from prepared frames; what a step sees is the method's own."""

    config: CaptureDataManagerConfig
    _source: RaySource | None = None

    def setup_train(self) -> None:
        """Nothing yet: frames are prepared when the first ray is drawn, which evaluation never does."""

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

    @property
    def source(self) -> RaySource:
        """What rays are drawn from, prepared on first use; on the GPU if it takes less than half of what is free."""
        if self._source is None:
            store, device = self.train_dataset.store, torch.device(self.device)
            with frame_bar(CONSOLE, "prepare the frames", len(store.capture)) as advance:
                prepared = prepare(store.capture, store.downscale, self.config.neck_reach, advance)
            self._source = self._source_of(store, prepared)
            if device.type == "cuda" and prepared.pixels.nbytes < torch.cuda.mem_get_info(device)[0] // 2:
                self._source = self._source.to(device)
        return self._source

    def _source_of(self, store: FrameStore, prepared: Prepared) -> RaySource:
        raise NotImplementedError

    def _draw(self, dataset: CaptureDataset, step: int) -> tuple[RayBundle, dict]:
        raise NotImplementedError


def bundle_of(rays: Rays) -> RayBundle:
    """Rays as nerfstudio hands them on."""
    return RayBundle(
        origins=rays.origins,
        directions=rays.directions,
        pixel_area=torch.ones_like(rays.times)[:, None],
        camera_indices=torch.zeros_like(rays.times, dtype=torch.long)[:, None],
        times=rays.times[:, None],
        metadata={"pixel": rays.pixel},
    )


def rays_of(bundle: RayBundle) -> Rays:
    """What `bundle_of` was given."""
    assert bundle.times is not None
    return Rays(bundle.times[:, 0], bundle.origins, bundle.directions, bundle.metadata["pixel"])


@dataclass
class GeneFaceDataManagerConfig(HeadDrawConfig, CaptureDataManagerConfig):
    """How rays are drawn from a capture."""

    _target: type = field(default_factory=lambda: GeneFaceDataManager)
    """target class to instantiate"""


class GeneFaceDataManager(CaptureDataManager):
    """Draws rays: in the head stage around the head, lips and eyes, then over the whole picture."""

    config: GeneFaceDataManagerConfig

    def _source_of(self, store: FrameStore, prepared: Prepared) -> RaySource:
        return ray_source(store.capture, prepared, store.downscale)

    def _draw(self, dataset: CaptureDataset, step: int) -> tuple[RayBundle, dict]:
        frames = torch.from_numpy(dataset.frames)
        rays, truth = draw(self.source, frames, step, step < self.config.head_steps, self.config, self.local_rank)
        return bundle_of(rays.to(self.device)), truth.to(self.device)._asdict()
