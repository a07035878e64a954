"""Time `geneface process` on a video: frames a second end to end, and peak memory.

python benchmarks/process_speed.py VIDEO --size 512
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import tyro
from machine import describe


@dataclass
class Speed:
    """What to process."""

    video: Annotated[Path, tyro.conf.Positional]
    """A talking video."""
    size: int = 512
    """Pixels of the capture's longer side."""


def main(config: Speed) -> None:
    print(describe())
    with tempfile.TemporaryDirectory() as temporary:
        capture = Path(temporary) / "capture"
        command = [Path(sys.executable).parent / "geneface", "process", config.video, capture]
        begin = perf_counter()
        subprocess.run([*command, "--size", str(config.size)], check=True, stdout=subprocess.DEVNULL)
        seconds = perf_counter() - begin
        frames = len(json.loads((capture / "transforms.json").read_text())["frames"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        report = json.loads((capture / "report.json").read_text())
    print(f"{config.video.name} at {config.size}: {frames} frames in {seconds:.0f} s, {frames / seconds:.1f} frames/s")
    print(f"peak memory {peak:.0f} MiB; report: {json.dumps(report)[:600]}")


if __name__ == "__main__":
    main(tyro.cli(Speed))
