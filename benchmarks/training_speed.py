"""Steps a second of the training, and what a busy core beside it costs.

    python benchmarks/training_speed.py CAPTURE --downscale 4 1
    python benchmarks/training_speed.py CAPTURE --downscale 4 --busy

Each line times steps of the head stage once the occupancy has settled, and of the torso stage. With --busy every line
is measured alone and with one process beside it that keeps a core busy, and for each way of using threads.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.nerf.draws import draw, ray_source
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.threads import ThreadChoice
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare

WAYS = {
    "all threads": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "all threads, passive waiting": {"OMP_WAIT_POLICY": "PASSIVE"},
    "chosen (as ns-train does)": {"CHOOSE": "1"},
}


@dataclass
class Speed:
    """What to time."""

    capture: Annotated[Path, tyro.conf.Positional]
    """A capture directory."""
    downscale: tuple[int, ...] = (4, 1)
    """Whole factors by which the pictures are reduced."""
    steps: int = 900
    """Head steps; the second half is timed. A ninth as many torso steps follow."""
    busy: bool = False
    """Compare ways of using threads, alone and beside a busy core."""
    child: bool = False
    """Internal: time one size in this process."""


def keep_busy() -> None:
    while True:
        pass


def time_training(capture_folder: Path, downscale: int, steps: int, choose: bool) -> str:
    """One line of figures."""
    capture = load_capture(capture_folder)
    config = TrainingConfig(head_steps=steps)
    source = ray_source(capture, prepare(capture, downscale, config.neck_reach), downscale)
    frames = np.flatnonzero(capture.is_train & capture.valid)
    torch.manual_seed(0)
    portrait = Portrait(capture, downscale, PortraitConfig())
    start_from_pictures(portrait, FrameStore(capture, downscale), frames)
    threads, times = ThreadChoice(), []
    begin = perf_counter()
    for _ in train(portrait, source, torch.from_numpy(frames), steps + steps // 9, config):
        times.append(perf_counter() - begin)
        if choose:
            threads.step(times[-1])
        begin = perf_counter()
    draws = []
    for step in range(50):
        begin = perf_counter()
        draw(source, torch.from_numpy(frames), step, True, config)
        draws.append(perf_counter() - begin)
    head, torso = times[steps // 2 : steps], times[steps + 5 :]
    return (
        f"{1 / np.mean(head):.1f} head steps/s ({1e3 * median(head):.1f} ms median, of which drawing "
        f"{1e3 * median(draws):.1f}), {1 / np.mean(torso):.1f} torso steps/s"
    )


def main(config: Speed) -> None:
    if config.child:
        print(time_training(config.capture, config.downscale[0], config.steps, "CHOOSE" in os.environ))
        return
    print(describe())
    for downscale in config.downscale:
        for way, environment in WAYS.items() if config.busy else [("chosen (as ns-train does)", {"CHOOSE": "1"})]:
            for beside in (False, True) if config.busy else (False,):
                other = multiprocessing.Process(target=keep_busy, daemon=True)
                if beside:
                    other.start()
                command = [sys.executable, __file__, str(config.capture), "--downscale", str(downscale), "--child"]
                done = subprocess.run(
                    [*command, "--steps", str(config.steps)],
                    capture_output=True,
                    text=True,
                    check=True,
                    env={**os.environ, **environment},
                )
                if beside:
                    other.terminate()
                where = f"{config.capture.name} / {downscale}, {way}, {'one busy core' if beside else 'alone'}"
                print(f"{where}: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Speed))
