"""Kill a long `geneface render` at random moments and begin it again: the video must be the undisturbed one, frame by
frame, and its sound as long as its picture within a frame. Ends with exit code 1 where it is not.

python benchmarks/killed_render.py RUN --seconds 600 --kills 3
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from time import perf_counter
from typing import Annotated

import av
import numpy as np
import tyro
from machine import describe

from geneface_ns.output.pieces import pieces_folder
from geneface_ns.synthetic.clip import write_sound
from geneface_ns.synthetic.speech import speech_names, speech_track


@dataclass
class Kills:
    """What to render, and how often to kill it."""

    run: Annotated[Path, tyro.conf.Positional]
    """Who speaks, as `geneface render` takes it: a run, a capture, a person file."""
    seconds: float = 600.0
    """Of speech."""
    kills: int = 3
    """With SIGKILL, at moments drawn evenly from the time that the undisturbed run takes."""
    seed: int = 0
    """Of the moments."""


@dataclass(frozen=True)
class Lengths:
    """Of a video's streams."""

    frames: int
    fps: float
    sound: float
    """Seconds."""

    @property
    def apart(self) -> float:
        """Frames by which the sound is longer than the picture."""
        return self.sound * self.fps - self.frames


def main(config: Kills) -> None:
    print(describe())
    with tempfile.TemporaryDirectory() as temporary:
        speech, whole, killed = (Path(temporary, name) for name in ("speech.wav", "whole.mp4", "killed.mp4"))
        sentence = speech_track(speech_names("train"), 1).sound
        write_sound(speech, np.resize(sentence, round(config.seconds * 16000)))
        begin = perf_counter()
        finish(render(config.run, speech, whole))
        took = perf_counter() - begin
        print(f"undisturbed: {told(lengths(whole))} in {took:.0f} s", flush=True)

        moments = np.sort(np.random.default_rng(config.seed).uniform(0, took, config.kills))
        begin = perf_counter()
        for number, wait in enumerate(np.diff(moments, prepend=0.0), 1):
            process = render(config.run, speech, killed)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            else:
                finish(process)
            kept = len(list(pieces_folder(killed).glob("[0-9]*")))
            print(f"kill {number}: {wait:.1f} s after its start, exit code {process.returncode}, {kept} pieces there")
        finish(render(config.run, speech, killed))
        found = lengths(killed)
        print(f"killed {config.kills} times: {told(found)} in {perf_counter() - begin:.0f} s in all")
        pairs = zip_longest(frames(whole), frames(killed))
        other = sum(a is None or b is None or not np.array_equal(a, b) for a, b in pairs)
        print(f"{other} frames differ")
    if other or abs(found.apart) > 1:
        raise SystemExit(1)


def render(run: Path, speech: Path, video: Path) -> subprocess.Popen[str]:
    command = [Path(sys.executable).parent / "geneface", "render", run, speech, video]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"geneface render failed with exit code {process.returncode}: {said}")


def frames(video: Path) -> Iterator[np.ndarray]:
    """As stored, one at a time."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray()


def lengths(video: Path) -> Lengths:
    """By decoding both streams to their ends."""
    with av.open(str(video)) as container:
        fps = float(container.streams.video[0].average_rate)
    with av.open(str(video)) as container:
        sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    return Lengths(sum(1 for _ in frames(video)), fps, sound)


def told(found: Lengths) -> str:
    return (
        f"{found.frames} frames at {found.fps:g}, {found.frames / found.fps:.3f} s of picture, {found.sound:.3f} s of "
        f"sound ({found.apart:+.2f} frames)"
    )


if __name__ == "__main__":
    main(tyro.cli(Kills))
