"""When lips must be shut: /p/, /b/ and /m/, heard by a linear classifier of speech features.

Squared errors teach a generator to nearly shut the mouth where the timing is uncertain. Synthetic voices know when they
say what, so that closures can be learnt from them, without pictures, and heard in anybody's speech
(`benchmarks/closure_detector.py`; figures: docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_motion.features.interface import SpeechFeatures
from audio_motion.models.generator import FEATURES_PER_MOTION
from audio_motion.models.store import load_model, save_model

REACH = 4
"""Features (50 Hz) before and after a motion frame that are heard: 0.08 s."""
PACKAGED = Path(__file__).parents[1] / "weights" / "closure.safetensors"
SCHEMA = 1


@dataclass(frozen=True)
class ClosureDetector:
    """A linear classifier."""

    weights: Tensor
    """[C, 2 REACH]."""
    bias: float

    def closed(self, features: Tensor) -> np.ndarray:
        """How likely the lips are shut: features [2T, C] -> float32 [T], 0 to 1. The ends are continued with their last
        feature."""
        return torch.sigmoid(heard_around(features) @ self.weights.flatten() + self.bias).numpy()


def heard_around(features: Tensor) -> Tensor:
    """The features around each motion frame, which lies between the features 2k - 1 and 2k: [2T, C] ->
    [T, C * 2 REACH]."""
    continued = torch.cat([features[:1].expand(REACH, -1), features, features[-1:].expand(REACH, -1)])
    return continued.unfold(0, 2 * REACH, FEATURES_PER_MOTION)[: len(features) // FEATURES_PER_MOTION].flatten(1)


def save_closure(path: Path, detector: ClosureDetector, features: SpeechFeatures) -> None:
    """Write it, whole or not at all."""
    tensors = {"weights": detector.weights.contiguous(), "bias": torch.tensor([detector.bias])}
    save_model(path, "closure", SCHEMA, features, {"config": {}}, tensors)


def detector_for(features: SpeechFeatures) -> ClosureDetector | None:
    """The package's, where it was made for these features; None for others."""
    name, detector = _packaged()
    return detector if features.name == name else None


@lru_cache(maxsize=1)
def _packaged() -> tuple[str, ClosureDetector]:
    def build(info: dict, tensors: dict[str, Tensor], heard: SpeechFeatures) -> tuple[str, ClosureDetector]:
        return heard.name, ClosureDetector(tensors["weights"], float(tensors["bias"]))

    return load_model(PACKAGED, "closure", SCHEMA, build)
