"""A head that is trained for seconds, enough to see lips move, and one that is not trained at all; with a voice."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.training.loop import LoopConfig
from audio_motion.training.postnet import PostNetTraining, train_postnet
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.motion.voice import POSTNET_FILE
from geneface_ns.nerf.draws import ray_source
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.synthetic.clip import Truth
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained import checkpoint
from geneface_ns.trained.methods import METHOD
from tests.geneface_ns.fakes import write_postnet, write_run

SIZE, FRAMES, FPS = 64, 75, 12.5


def tiny_run(folder: Path, steps: int = 240, size: int = SIZE) -> tuple[Path, Truth]:
    """Write a capture of the procedural person and a run trained on it below a folder.

    Returns:
        The run's folder, and the truth of the capture.
    """
    truth = write_exact_capture(folder / "capture", size, FRAMES, FPS)
    capture = load_capture(folder / "capture")
    torch.manual_seed(0)
    config = PortraitConfig(sample_step=0.08, occupancy_resolution=32)
    portrait = Portrait(capture, 1, config)
    frames = np.flatnonzero(capture.is_train)
    start_from_pictures(portrait, FrameStore(capture), frames)
    settings = TrainingConfig(head_steps=steps * 3 // 4, coarse_steps=steps // 4, train_num_rays_per_batch=768)
    source = ray_source(capture, prepare(capture, 1, 0.03), 1)
    for _ in train(portrait, source, torch.from_numpy(frames), steps, settings):
        pass
    tensors = {checkpoint.PREFIX + name: value for name, value in portrait.state_dict().items()}
    about = asdict(checkpoint.About.of(capture, 1, config))
    path = folder / "run" / checkpoint.FOLDER / f"step-{steps:09d}.ckpt"
    checkpoint.write(path, {"step": steps, "pipeline": tensors, METHOD: about})
    few = LoopConfig(steps=2, batch_size=2, learning_rate=1e-4, warm_up=1, validate_every=1)
    quick = PostNetTraining(loop=few, samples=1, crop=32)
    train_postnet([capture.folder], [], PRETRAINED_GENERATOR, None, capture.folder / POSTNET_FILE, quick)
    return folder / "run", truth


def untrained_run(folder: Path) -> Path:
    """Write a run below a folder whose head has learnt nothing, and a voice, both at once; returns the run."""
    write_exact_capture(folder / "capture", 32, 22, 10.0)
    capture = load_capture(folder / "capture")
    config = PortraitConfig(sample_step=0.1, occupancy_resolution=8)
    write_postnet(capture.folder / POSTNET_FILE, capture)
    return write_run(folder / "run", capture, Portrait(capture, 1, config), config)
