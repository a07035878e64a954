"""How long a step of the training takes on this machine, by taking some."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf.draws import draw, ray_source
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.scene.stages import HEAD_SHARE
from geneface_ns.trained.checkpoint import choose_device

HEAD_STEPS, TORSO_STEPS, COUNTED = 24, 12, 8
"""Steps taken of each stage, and how many of the last of them are counted: the first compile kernels."""
SAMPLES_A_RAY = 9.0
"""What most of a training has; 6 to 10 in finished heads. The first steps are no measure: there the head is a fog, and
what pruning leaves of it is arbitrary. So samples are taken so far apart that they are as many."""
HOST = 1.1
"""nerfstudio's own share: its steps over the core's."""


def speed_of(capture_folder: Path) -> float | InputError:
    """Train on a capture for some steps, on CUDA where there is one. Frames that are prepared for it stay prepared.

    Returns:
        Seconds a step, the mean over both stages; an InputError instead of raising it: this runs in a worker.
    """
    try:
        capture = load_capture(capture_folder)
        device = choose_device("auto")
        config = TrainingConfig(head_steps=HEAD_STEPS, coarse_steps=HEAD_STEPS + TORSO_STEPS)
        source = ray_source(capture, prepare(capture, 1, config.neck_reach), 1)
        frames = np.flatnonzero(capture.is_train & capture.valid)
        portrait = Portrait(capture, 1, PortraitConfig()).to(device)
        start_from_pictures(portrait, FrameStore(capture, 1), frames)
        rays = draw(source, torch.from_numpy(frames), 0, True, config)[0].to(device)
        coarse = portrait.occupancy.sample(rays.origins, rays.directions, step=config.coarse_sample_step)
        config.coarse_sample_step *= max(1.0, len(coarse.points)) / (SAMPLES_A_RAY * len(rays.times))
        times, begin = [], perf_counter()
        for _ in train(portrait, source, torch.from_numpy(frames), HEAD_STEPS + TORSO_STEPS, config):
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(perf_counter() - begin)
            begin = perf_counter()
    except InputError as error:
        return error
    head, torso = median(times[HEAD_STEPS - COUNTED : HEAD_STEPS]), median(times[-COUNTED:])
    return HOST * (HEAD_SHARE * head + (1 - HEAD_SHARE) * torso)
