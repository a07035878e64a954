"""What every torso begins with: the mean torso and the background, out of the pictures."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from geneface_ns.capture_format.pictures import read_png
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.scene.torso import REACH


def spread(frames: np.ndarray, views: int) -> np.ndarray:
    """Up to `views` of some frames [N], over all of them."""
    return frames[np.linspace(0, len(frames) - 1, min(views, len(frames))).astype(int)]


@torch.no_grad()
def start_torso(portrait: TalkingPortrait, store: FrameStore, frames: np.ndarray, views: int = 40) -> None:
    """Take the mean torso and the background.

    Args:
        store: the capture's frames at the training size.
        frames: int64 [N] training frames, of which up to `views` spread over the capture are looked at.
    """
    picks = spread(frames, views)
    width, height = portrait.camera.size
    table, layout = portrait.table, store.capture.layout

    def reduced(pixels: np.ndarray) -> Tensor:
        """At the training size; RGBA premultiplied, since a mean of straight colours is dark along the edges."""
        picture = torch.from_numpy(pixels).float().permute(2, 0, 1)[None] / 255
        picture[:, :3] *= picture[:, 3:].sum(dim=1, keepdim=True) if picture.shape[1] == 4 else 1
        return F.interpolate(picture, size=(height, width), mode="area")

    rows, columns = portrait.torso.torso_picture.shape[1:]
    y = ((torch.arange(rows) + 0.5) / rows * 2 - 1) * REACH
    x = ((torch.arange(columns) + 0.5) / columns * 2 - 1) * REACH
    position = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # [rows, columns, 2]
    total = torch.zeros(4, rows, columns)
    for i in picks:
        rgba = reduced(read_png(layout.torso(int(i))))
        affine = table.body[int(i)].cpu()
        moved = position @ affine[:, :2].T + affine[:, 2]
        total += F.grid_sample(rgba, moved[None], align_corners=False, padding_mode="border")[0]
    background = reduced(read_png(layout.background))
    background = F.grid_sample(background, position[None], align_corners=False, padding_mode="border")[0]
    portrait.torso.start_from((total / len(picks)).to(portrait.device), background.to(portrait.device))
