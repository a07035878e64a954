"""nerfstudio dataparser of a capture directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox

from geneface_ns.capture_format.capture import load_capture


@dataclass
class GeneFaceDataParserConfig(DataParserConfig):
    """A capture directory written by `geneface process`."""

    _target: type = field(default_factory=lambda: GeneFaceDataParser)
    """target class to instantiate"""
    data: Path = Path("capture")
    """The capture directory."""
    downscale_factor: int = 1
    """Whole factor by which pictures are reduced for training."""


@dataclass
class GeneFaceDataParser(DataParser):
    """Cameras of a capture's frames; the capture itself travels in `metadata["capture"]`.

    A frame's key is its camera's time, frame / (frames - 1): nerfstudio carries times through every path, other
    per-frame values only through some.
    """

    config: GeneFaceDataParserConfig
    includes_time: bool = True

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs) -> DataparserOutputs:
        capture = load_capture(self.config.data)
        _ = capture.landmarks  # read now, before the model is built
        keep = capture.is_train & capture.valid if split == "train" else ~capture.is_train
        frames = np.flatnonzero(keep)
        factor = self.config.downscale_factor
        cameras = Cameras(
            camera_to_worlds=torch.from_numpy(capture.c2w[frames, :3]),
            fx=capture.focal[0] / factor,
            fy=capture.focal[1] / factor,
            cx=capture.centre[0] / factor,
            cy=capture.centre[1] / factor,
            width=capture.width // factor,
            height=capture.height // factor,
            times=torch.from_numpy(capture.times[frames])[:, None],
            camera_type=CameraType.PERSPECTIVE,
        )
        return DataparserOutputs(
            image_filenames=[capture.layout.image(int(frame)) for frame in frames],
            cameras=cameras,
            scene_box=SceneBox(aabb=torch.from_numpy(capture.head_box)),
            metadata={"capture": capture, "frames": frames, "downscale": factor},
        )
