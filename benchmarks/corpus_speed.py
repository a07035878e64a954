"""Time the work of `audio-motion corpus` on a clip: seconds of video per second, by the number of workers.

python benchmarks/corpus_speed.py VIDEO --workers 1 2
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated

import tyro
from machine import describe

from audio_motion.corpus.clip import ClipWork, make_clip
from audio_motion.corpus.config import Gate
from audio_motion.corpus.find import Source
from audio_motion.corpus.workers import each_clip
from audio_motion.sync import estimate_lag


@dataclass
class Speed:
    """What to work on."""

    video: Annotated[Path, tyro.conf.Positional]
    """A talking video."""
    workers: tuple[int, ...] = (1, 2)
    """Numbers of workers to compare."""
    clips: int = 3
    """Clips a worker, after one that is not timed."""
    ray_address: str | None = None
    """Of a running cluster, as `audio-motion corpus` takes it; by default processes of this machine work."""


def main(config: Speed) -> None:
    print(describe())
    work = ClipWork(Source(config.video.name, config.video, None), "0" * 32, Gate(), 0.5, estimate_lag)
    make_clip(work)  # loads what is loaded once
    begin = process_time()
    record = make_clip(work).record
    cpu = process_time() - begin
    print(f"{config.video.name}: {record.frames} frames, {record.seconds:.1f} s")
    print(f"1 process: {record.seconds / cpu:.2f} x real time, {record.frames / cpu:.0f} frames/s, by its CPU time")
    for workers in config.workers:
        count = config.clips * workers
        todo = [replace(work, key=f"{index:032x}") for index in range(count + workers)]
        with (
            tempfile.TemporaryDirectory() as output,
            closing(each_clip(todo, Path(output), workers, config.ray_address)) as ends,
        ):
            for _ in range(workers):
                next(ends)
            begin = perf_counter()
            assert all(outcome.end == "done" for outcome in ends)
            took = perf_counter() - begin
        speed = count * record.seconds / took
        print(f"{workers} workers: {speed:.2f} x real time, {speed / workers:.2f} a worker, by the clock")


if __name__ == "__main__":
    main(tyro.cli(Speed))
