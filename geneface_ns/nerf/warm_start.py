"""What a portrait begins with: the head's visual hull, the mean torso and the background, out of the pictures."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from geneface_ns.nerf.portrait import Portrait
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.warm_start import spread, start_torso


@torch.no_grad()
def start_from_pictures(portrait: Portrait, store: FrameStore, frames: np.ndarray, views: int = 40) -> None:
    """Carve the head's visual hull and take the mean torso and the background.

    Args:
        store: the capture's frames at the training size.
        frames: int64 [N] training frames, of which up to `views` spread over the capture are looked at.
    """
    picks = spread(frames, views)
    width = portrait.camera.size[0]
    kernel = np.ones((2 * max(1, width // 40) + 1,) * 2, np.uint8)
    masks = np.stack([cv2.dilate((store.frame(int(i)).head > 0).astype(np.uint8), kernel) > 0 for i in picks])
    poses = portrait.table.c2w[torch.from_numpy(picks)]
    camera = portrait.camera
    portrait.occupancy.carve(torch.from_numpy(masks).to(portrait.device), poses, camera.focal, camera.centre)
    start_torso(portrait, store, frames, views)
