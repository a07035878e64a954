"""The procedural person with a small head of Gaussians."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.scene.draws import RaySource
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.stages import make_optimizer
from geneface_ns.splat.draws import ray_source
from geneface_ns.splat.frozen_heads import FrozenHeads
from geneface_ns.splat.loop import SplatTrainingConfig, learn
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.training import parameter_groups
from geneface_ns.splat.warm_start import start_from_pictures
from geneface_ns.synthetic.exact_capture import write_exact_capture

SIZE, FRAMES, FPS = 96, 33, 12.5
CONFIG = SplatTrainingConfig(gaussians=3000)


class TinyPerson(NamedTuple):
    capture: Capture
    store: FrameStore
    source: RaySource
    portrait: SplatPortrait
    frames: Tensor


def tiny_person(folder: Path, steps: int) -> TinyPerson:
    """Write the capture, and train a head on it for a few steps; the torso is the mean one."""
    write_exact_capture(folder, size=SIZE, frames=FRAMES, fps=FPS)
    capture = load_capture(folder)
    store = FrameStore(capture)
    source = ray_source(capture, prepare(capture, 1, CONFIG.neck_reach), 1, CONFIG.margin)
    frames = np.flatnonzero(capture.is_train)
    torch.manual_seed(0)
    portrait = SplatPortrait(capture, 1, SplatPortraitConfig())
    start_from_pictures(portrait, store, frames, CONFIG)
    optimizer, heads = make_optimizer(parameter_groups(portrait)), FrozenHeads(portrait)
    for step in range(steps):
        learn(portrait, optimizer, source, torch.from_numpy(frames), step, CONFIG, heads)
    return TinyPerson(capture, store, source, portrait, torch.from_numpy(frames))
