"""The procedural person with a small head of Gaussians."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.splat.head import SplatHead, SplatHeadConfig
from geneface_ns.splat.loop import Seen, SplatTrainingConfig, learn, make_optimizer, see
from geneface_ns.splat.surface import Surface, head_surface
from geneface_ns.synthetic.exact_capture import write_exact_capture

SIZE, FRAMES, FPS = 96, 33, 12.5
GAUSSIANS = 3000
CONFIG = SplatTrainingConfig()


class TinyPerson(NamedTuple):
    capture: Capture
    store: FrameStore
    seen: Seen
    surface: Surface
    head: SplatHead
    frames: Tensor


def tiny_person(folder: Path, steps: int = 0) -> TinyPerson:
    """Write the capture, and train a head on it for a few steps."""
    write_exact_capture(folder, size=SIZE, frames=FRAMES, fps=FPS)
    capture = load_capture(folder)
    store = FrameStore(capture)
    seen = see(capture, prepare(capture, 1, CONFIG.neck_reach), 1, CONFIG.margin)
    surface = head_surface(capture, store, GAUSSIANS)
    frames = torch.from_numpy(np.flatnonzero(capture.is_train))
    torch.manual_seed(0)
    table = seen.table
    own = Condition(table.landmarks[frames], table.eyes[frames], table.c2w[frames], table.body[frames])
    head = SplatHead(SplatHeadConfig(), surface, own)
    optimizer = make_optimizer(head)
    for step in range(steps):
        learn(head, optimizer, seen, frames, step, step / steps, CONFIG)
    return TinyPerson(capture, store, seen, surface, head, frames)
