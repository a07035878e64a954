"""How long a step of the training takes on this machine, by taking some."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from time import perf_counter

import numpy as np
import torch

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.nerf import draws as ray_draws
from geneface_ns.nerf import loop as ray_loop
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures as start_field
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.stages import HEAD_SHARE
from geneface_ns.splat import draws as splat_draws
from geneface_ns.splat import loop as splat_loop
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.training import HEAD_SHARE as SPLAT_HEAD_SHARE
from geneface_ns.splat.warm_start import start_from_pictures as start_gaussians
from geneface_ns.trained.checkpoint import choose_device
from geneface_ns.trained.methods import METHODS, SPLAT

HEAD_STEPS, TORSO_STEPS, COUNTED = 24, 12, 8
"""Steps taken of each stage, and how many of the last of them are counted: the first compile kernels."""
SPLAT_HEAD_STEPS, SPLAT_COUNTED = 120, 100
"""Of a head of Gaussians: a step sees a mouth, or a whole picture, so that many must be counted."""
SPLAT_FRAMES = 6
"""About as many frames are drawn from: a torso's step is timed when the heads of its frames are known already."""
SAMPLES_A_RAY = 9.0
"""What most of a training has; 6 to 10 in finished heads. The first steps are no measure: there the head is a fog, and
what pruning leaves of it is arbitrary. So samples are taken so far apart that they are as many."""
HOST = 1.1
"""nerfstudio's own share: its steps over the core's."""


def speed_of(capture_folder: Path, method: str) -> float | InputError:
    """Train on a capture for some steps, on CUDA where there is one that can. Frames that are prepared for it stay
    prepared.

    Returns:
        Seconds a step, the mean over both stages; an InputError instead of raising it: this runs in a worker.
    """
    try:
        capture = load_capture(capture_folder)
        head, torso = _of_gaussians(capture) if method == SPLAT else _of_a_field(capture, method)
    except InputError as error:
        return error
    share = SPLAT_HEAD_SHARE if method == SPLAT else HEAD_SHARE
    return HOST * (share * head + (1 - share) * torso)


def _of_a_field(capture: Capture, method: str) -> tuple[float, float]:
    """Seconds of a step of the head's, and of one of the torso's."""
    device = choose_device("auto", METHODS[method])
    config = ray_loop.TrainingConfig(head_steps=HEAD_STEPS, coarse_steps=HEAD_STEPS + TORSO_STEPS)
    source = ray_draws.ray_source(capture, prepare(capture, 1, config.neck_reach), 1)
    frames = np.flatnonzero(capture.is_train & capture.valid)
    portrait = Portrait(capture, 1, PortraitConfig()).to(device)
    start_field(portrait, FrameStore(capture, 1), frames)
    rays = ray_draws.draw(source, torch.from_numpy(frames), 0, True, config)[0].to(device)
    coarse = portrait.occupancy.sample(rays.origins, rays.directions, step=config.coarse_sample_step)
    config.coarse_sample_step *= max(1.0, len(coarse.points)) / (SAMPLES_A_RAY * len(rays.times))
    steps = ray_loop.train(portrait, source, torch.from_numpy(frames), HEAD_STEPS + TORSO_STEPS, config)
    times = _timed(steps, device)
    return median(times[HEAD_STEPS - COUNTED : HEAD_STEPS]), median(times[-COUNTED:])


def _of_gaussians(capture: Capture) -> tuple[float, float]:
    """As `_of_a_field`."""
    config = splat_loop.SplatTrainingConfig(head_steps=SPLAT_HEAD_STEPS)
    source = splat_draws.ray_source(capture, prepare(capture, 1, config.neck_reach), 1, config.margin)
    frames = np.flatnonzero(capture.is_train & capture.valid)
    portrait = SplatPortrait(capture, 1, SplatPortraitConfig())
    start_gaussians(portrait, FrameStore(capture, 1), frames, config)
    # Of few frames, whose heads are soon drawn: the torso's steps need each once.
    few = torch.from_numpy(frames[:: -(-len(frames) // SPLAT_FRAMES)])
    steps = splat_loop.train(portrait, source, few, SPLAT_HEAD_STEPS + TORSO_STEPS, config)
    times = _timed(steps, portrait.device)
    return fmean(times[SPLAT_HEAD_STEPS - SPLAT_COUNTED : SPLAT_HEAD_STEPS]), median(times[-COUNTED:])


def _timed(steps: Iterator[object], device: torch.device) -> list[float]:
    """Seconds that each of some steps takes."""
    times, begin = [], perf_counter()
    for _ in steps:
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(perf_counter() - begin)
        begin = perf_counter()
    return times
