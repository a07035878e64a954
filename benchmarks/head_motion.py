"""How a head moves while it says what it never said, beside how it moved when it was filmed.

    python benchmarks/head_motion.py CAPTURE --speech german.wav french.wav

*Variance* is that of yaw, pitch and roll over the filmed ones, over all performances at once; *follows* the correlation
of the head's speed (smoothed by 0.15 s) with the loudness of what is said, and with speech against silence. *Joins* are
those a second of pieces that do not follow each other in the video. The second table is that of `geneface evaluate
--audio` (docs/evaluation.md).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro
from machine import describe
from scipy.ndimage import gaussian_filter1d

from audio_motion.tracking.head_motion import angles
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.evaluation.heads import HeadFigures, heads, speed_of, track
from geneface_ns.motion.head_motion import head_motion
from geneface_ns.motion.prosody import own_prosody, prosody_of
from geneface_ns.motion.selection import manner_of
from geneface_ns.motion.trajectory import own_trajectory


@dataclass
class HeadMotionBenchmark:
    """Whose head, and what it says."""

    capture: Annotated[Path, tyro.conf.Positional]
    """A capture directory."""
    speech: tuple[Path, ...]
    """Sound of other people, 5 s and longer."""
    seeds: int = 3
    """Performances of each."""


class Figures(NamedTuple):
    """Of one performance."""

    turns: np.ndarray
    """[N, 3] yaw, pitch, roll in degrees."""
    follows: np.ndarray
    """[2] correlations."""


def figures(c2w: np.ndarray, prosody: np.ndarray, fps: float) -> Figures:
    """c2w [N, 4, 4], prosody [N, 3]."""
    manner = manner_of(prosody, fps)[1:]
    smooth = gaussian_filter1d(speed_of(c2w, fps), 0.15 * fps)
    follows = [np.corrcoef(smooth, manner[:, k])[0, 1] for k in (0, 2)]
    return Figures(angles(c2w), np.array(follows))


def show(title: str, found: list[Figures], filmed: Figures, joins: float | None = None) -> None:
    """A row of the table."""
    variance = np.concatenate([f.turns for f in found]).var(axis=0) / filmed.turns.var(axis=0)
    follows = np.nanmean([f.follows for f in found], axis=0)
    print(
        f"| {title} | {' / '.join(f'{v:.2f}' for v in variance)} | "
        f"{follows[0]:.2f} / {follows[1]:.2f} | {'' if joins is None else f'{joins:.2f}'} |",
        flush=True,
    )


def main(config: HeadMotionBenchmark) -> None:
    print(describe())
    capture = load_capture(config.capture)
    own, walk, fps = own_prosody(capture), own_trajectory(capture), capture.fps
    train = capture.is_train
    filmed = figures(walk.c2w, own[train], fps)
    print(
        f"{capture.name}: {train.sum() / fps:.0f} s to choose from; filmed {speed_of(walk.c2w, fps).mean():.1f} "
        "degrees a second"
    )
    print("| head | variance of yaw / pitch / roll | follows loudness / speech | joins |")
    print("| --- | --- | --- | --- |")
    show("filmed", [filmed], filmed)
    said = [prosody_of(path, fps) for path in config.speech]
    to_and_fro = [track(walk, len(p)).astype(np.float64) for p in said]
    show("to and fro", [figures(c2w, p, fps) for c2w, p in zip(to_and_fro, said, strict=True)], filmed)
    found, joins, seconds = [], 0, 0.0
    for prosody in said:
        for seed in range(config.seeds):
            moves = head_motion(capture, own, prosody, seed, 1.0)
            found.append(figures(moves.trajectory.c2w, prosody, fps))
            if moves.selection is not None:
                joins += int((np.diff(moves.selection.weight) < -0.5).sum())
            seconds += len(prosody) / fps
    show("chosen", found, filmed, joins / seconds)
    rows = heads(capture, own, said)
    if isinstance(rows, str):
        print(rows)
        return
    columns = [field.name for field in fields(HeadFigures)]
    print(f"| head | {' | '.join(columns)} |")
    print("| --- " * (len(columns) + 1) + "|")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{getattr(row, column):.2f}' for column in columns)} |")


if __name__ == "__main__":
    main(tyro.cli(HeadMotionBenchmark))
