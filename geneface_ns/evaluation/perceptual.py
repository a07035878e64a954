"""LPIPS, where the network that it stands on is on this machine; nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

Perceptual = Callable[[np.ndarray, np.ndarray], float]
"""Two uint8 pictures [H, W, 3] -> LPIPS."""

MISSING = "not measured: backbone not found at"


def backbone_path() -> Path:
    """Where torchvision keeps ImageNet's AlexNet on this machine, whether it is there or not."""
    from torchvision.models import AlexNet_Weights

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(AlexNet_Weights.IMAGENET1K_V1.url).name


def make_perceptual() -> Perceptual | str:
    """LPIPS on AlexNet (Zhang et al., CVPR 2018), or a sentence that says why it cannot be measured."""
    path = backbone_path()
    if not path.is_file():
        return f"{MISSING} {path}"
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity("alex", normalize=True).eval()

    def tensor(image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]

    def measure(rendered: np.ndarray, real: np.ndarray) -> float:
        with torch.inference_mode():
            return float(network(tensor(rendered), tensor(real)))

    return measure
