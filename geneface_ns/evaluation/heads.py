"""How the head moves while somebody speaks, beside how it moved when it was filmed. No picture is needed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from audio_motion.evaluation.measures import across_seeds, variance_ratio
from audio_motion.evaluation.naturalness import head_motion as dynamics
from audio_motion.evaluation.naturalness import likeness
from audio_motion.tracking.head_motion import angles
from geneface_ns.capture_format.capture import Capture
from geneface_ns.motion.head_motion import head_motion
from geneface_ns.motion.selection import footage_of
from geneface_ns.motion.trajectory import Trajectory, own_trajectory

SEEDS = 3
"""Performances of each speech."""
LENGTH = 5.0
"""Seconds of a stretch. What is longer, filmed or made, is cut into such: a head wanders further in a longer time."""
FILMED, CHOSEN, TO_AND_FRO, STILL = "filmed", "chosen (as a user gets it)", "to and fro", "still"


@dataclass(frozen=True)
class HeadFigures:
    """One way to move the head, against the filmed head, in stretches of one length."""

    score: float
    """Head motion after THEval, as 1 - |made - real| / real of the means over stretches."""
    each: float
    """The mean of the scores of single stretches, against the same mean: of FILMED what any other stretch of the
    same person has, which nothing made need exceed."""
    variance: float
    """Of yaw, pitch and roll together, over the filmed one."""
    speed: float
    """Mean turning, over the filmed one."""
    wobble: float
    """Mean change of that speed from one frame to the next, over the filmed one: shaking raises it."""
    seeds: float
    """Deviation of the angles across seeds over their deviation in time; 0 where no seed changes anything, nan of a
    single performance."""


def head_of(c2w: np.ndarray) -> np.ndarray:
    """Poses [T, 4, 4] as `audio_motion.evaluation.naturalness.head_motion` takes them: [T, 5]."""
    c2w = np.asarray(c2w, np.float64)
    place = -np.einsum("tji,tj->ti", c2w[:, :3, :3], c2w[:, :3, 3])  # the head's origin, seen by the camera
    return np.concatenate([angles(c2w), 100 * place[:, :2]], axis=1)


def speed_of(c2w: np.ndarray, fps: float) -> np.ndarray:
    """Degrees a second that a head turns from each frame to the next: poses [T, 4, 4] -> [T - 1]."""
    turns = Rotation.from_matrix(np.asarray(c2w, np.float64)[:, :3, :3])
    return np.degrees((turns[:-1].inv() * turns[1:]).magnitude()) * fps


def wobble_of(speed: np.ndarray) -> float:
    """Mean change of a speed [T] from one frame to the next."""
    return float(np.abs(np.diff(speed)).mean())


def stretches(capture: Capture, prosody: np.ndarray) -> list[np.ndarray]:
    """The filmed head of the training part, smoothed as made heads are, in stretches without a gap or a cut: poses
    [n, 4, 4] each, n frames in `LENGTH`.

    Args:
        prosody: float32 [F, 3] of the video.
    """
    walk, footage = own_trajectory(capture).c2w, footage_of(capture, prosody)
    if footage is None:
        return cut(walk, capture.fps)
    own = np.flatnonzero(capture.is_train)
    firsts = footage.run_starts[own]
    runs = (walk[(firsts == first) & footage.usable[own]] for first in np.unique(firsts))
    return [stretch for run in runs for stretch in cut(run, capture.fps)]


def cut(c2w: np.ndarray, fps: float) -> list[np.ndarray]:
    """Poses in stretches of `LENGTH`, without the rest."""
    length = round(LENGTH * fps)
    return [c2w[first : first + length] for first in range(0, len(c2w) - length + 1, length)]


def heads(capture: Capture, own: np.ndarray, speeches: Sequence[np.ndarray]) -> dict[str, HeadFigures] | str:
    """Every way to move the head under each speech.

    Args:
        own: float32 [F, 3], prosody of the video.
        speeches: float32 [N, 3], prosody of what is said.

    Returns:
        a sentence where there is too little of either.
    """
    fps = capture.fps
    said = [speech for speech in speeches if len(speech) >= round(LENGTH * fps)]
    if not said:
        return f"not measured: no speech of {LENGTH:g} s"
    filmed = stretches(capture, own)
    if not filmed:
        return f"not measured: no {LENGTH:g} s of the head were filmed without a cut"
    walk = own_trajectory(capture)

    def chosen(amount: float) -> list[list[np.ndarray]]:
        made = [[head_motion(capture, own, speech, seed, amount) for seed in range(SEEDS)] for speech in said]
        return [
            [track(moves.trajectory, len(speech)) for moves in group] for group, speech in zip(made, said, strict=True)
        ]

    return {
        FILMED: against([[stretch] for stretch in filmed], filmed, fps),
        CHOSEN: against(chosen(1.0), filmed, fps),
        TO_AND_FRO: against([[track(walk, len(speech))] * SEEDS for speech in said], filmed, fps),
        STILL: against(chosen(0.0), filmed, fps),
    }


def track(trajectory: Trajectory, count: int) -> np.ndarray:
    """The first frames of a trajectory, replayed: poses [count, 4, 4]."""
    return np.stack([trajectory.at(index / trajectory.fps)[0] for index in range(count)])


def against(groups: Sequence[Sequence[np.ndarray]], filmed: Sequence[np.ndarray], fps: float) -> HeadFigures:
    """The figures of heads, one group a speech, one [N, 4, 4] a seed, against stretches of the filmed one."""
    made = [stretch for group in groups for head in group for stretch in cut(head, fps)]
    values, real = ([dynamics(head_of(head)) for head in many] for many in (made, filmed))
    speeds, own = ([speed_of(head, fps) for head in many] for many in (made, filmed))
    seeds = [across_seeds(np.stack([angles(head) for head in group])) for group in groups if len(group) > 1]
    return HeadFigures(
        score=likeness(float(np.mean(values)), float(np.mean(real))),
        each=float(np.mean([likeness(value, float(np.mean(real))) for value in values])),
        variance=variance_ratio([angles(head) for head in made], [angles(head) for head in filmed]),
        speed=float(np.mean([s.mean() for s in speeds]) / np.mean([s.mean() for s in own])),
        wobble=float(np.mean([wobble_of(s) for s in speeds]) / np.mean([wobble_of(s) for s in own])),
        seeds=float(np.mean(seeds)) if seeds else float("nan"),
    )
