"""nerfstudio dataparser of a capture directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import Capture, load_capture

SMALLEST = 16
"""Pixels of width or height that must be left of a reduced picture."""


def whole_factors(width: int, height: int) -> list[int]:
    """Factors by which pictures can be reduced: 1, and those that leave no remainder and more than a stamp.

    With a remainder cut off, the body's motion, in parts of the whole picture, would not fit the pixels.
    """
    most = min(width, height) // SMALLEST
    return [1, *(factor for factor in range(2, most + 1) if width % factor == height % factor == 0)]


@dataclass
class GeneFaceDataParserConfig(DataParserConfig):
    """A capture directory written by `geneface process`."""

    _target: type = field(default_factory=lambda: GeneFaceDataParser)
    """target class to instantiate"""
    data: Path = Path("capture")
    """The capture directory."""
    downscale_factor: int = 1
    """Whole factor by which pictures are reduced for training; it divides their width and height."""

    def load(self) -> Capture:
        """The capture, checked.

        Raises:
            InputError: it is no whole capture, or cannot be reduced by this factor.
        """
        capture = load_capture(self.data)
        _ = capture.landmarks  # read now, before the model is built
        possible = whole_factors(capture.width, capture.height)
        if self.downscale_factor not in possible:
            raise InputError(
                f"--downscale-factor {self.downscale_factor} does not suit pictures of {capture.width} x "
                f"{capture.height} pixels ({self.data}); give one of {', '.join(map(str, possible))}"
            )
        return capture


@dataclass
class GeneFaceDataParser(DataParser):
    """Cameras of a capture's frames; the capture itself travels in `metadata["capture"]`.

    A frame's key is its camera's time, frame / (frames - 1): nerfstudio carries times through every path, other
    per-frame values only through some.
    """

    config: GeneFaceDataParserConfig
    includes_time: bool = True

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs) -> DataparserOutputs:
        capture = self.config.load()
        # Where no face was seen, pose and landmarks are guesses: nothing to learn from, nor to be judged by.
        frames = np.flatnonzero((capture.is_train == (split == "train")) & capture.valid)
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


geneface_data = DataParserSpecification(
    config=GeneFaceDataParserConfig(), description="A capture directory written by `geneface process`."
)
