"""Speech to motion with the package's own generator: times real time, and peak memory, for several lengths.

python benchmarks/predict_speed.py --seconds 60 3600
"""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np
import tyro
from machine import describe

from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.predict import Generator
from geneface_ns.synthetic.speech import speech_names, speech_track


@dataclass
class Speed:
    """What to predict."""

    seconds: tuple[float, ...] = (60.0, 3600.0)
    """Lengths of the speech, each in a process of its own."""
    alone: bool = False
    """Measure the first length here: what the processes are started with."""


def measure(seconds: float) -> None:
    import torch

    torch.set_num_threads(1)
    generator = Generator.load(PRETRAINED_GENERATOR)
    sentence = speech_track(speech_names("train"), 1).sound
    chunks = (sentence for _ in range(int(np.ceil(seconds * 16000 / len(sentence)))))
    begin, busy = perf_counter(), process_time()
    frames = sum(len(chunk.landmarks) for chunk in generator.stream(chunks))
    took, worked = perf_counter() - begin, process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    length = frames / 25
    print(
        f"{length:.0f} s of speech: {took:.1f} s, {length / took:.0f} times real time "
        f"({length / worked:.0f} by CPU time of one thread), peak {peak:.0f} MiB, "
        f"look-ahead {generator.look_ahead:.2f} s",
        flush=True,
    )


def main(config: Speed) -> None:
    if config.alone:
        measure(config.seconds[0])
        return
    print(describe(), flush=True)
    for seconds in config.seconds:
        subprocess.run([sys.executable, __file__, "--alone", "--seconds", str(seconds)], check=True)


if __name__ == "__main__":
    main(tyro.cli(Speed))
