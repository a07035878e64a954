"""Render speech of several lengths with `geneface render`: frames a second and peak memory of each.

python benchmarks/render_memory.py CONFIG.yml --seconds 20 600
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import tyro
from machine import describe

from geneface_ns.synthetic.clip import write_sound
from geneface_ns.synthetic.speech import speech_names, speech_track


@dataclass
class Memory:
    """What to render."""

    load_config: Annotated[Path, tyro.conf.Positional]
    """The config.yml of a training."""
    seconds: tuple[float, ...] = (20.0, 600.0)
    """Lengths of the speech."""


def main(config: Memory) -> None:
    print(describe())
    sentence = speech_track(speech_names("train"), 1).sound
    with tempfile.TemporaryDirectory() as temporary:
        for seconds in config.seconds:
            sound, video = Path(temporary) / "speech.wav", Path(temporary) / "out.mp4"
            write_sound(sound, np.resize(sentence, int(seconds * 16000)))
            begin = perf_counter()
            process = subprocess.Popen(
                [
                    *(Path(sys.executable).parent / "geneface", "render", "--load-config", config.load_config),
                    *("--audio", sound, "--output", video),
                ],
                stdout=subprocess.DEVNULL,
            )
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"geneface render failed with status {status}")
            elapsed = perf_counter() - begin
            frames = seconds * 25
            print(
                f"{seconds:.0f} s of speech: {elapsed:.0f} s, {frames / elapsed:.1f} frames/s (start-up included, "
                f"25 fps), peak {usage.ru_maxrss / 1024:.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main(tyro.cli(Memory))
