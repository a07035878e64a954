"""Head, body and upper face of somebody who speaks: pieces of the person's own video, chosen by how the speech sounds
and joined where the head is still (unit selection, as Hunt and Black, ICASSP 1996, make speech)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d, minimum_filter1d
from scipy.spatial.transform import Rotation

from geneface_ns.capture_format.person import Person
from geneface_ns.motion.trajectory import SMOOTHING, mean_pose

SHORTEST, LONGEST = 0.8, 5.0
"""Seconds of a piece."""
BLEND = 0.3
"""Seconds before and after a join in which one piece goes over into the next."""
APART = 20.0
"""Seconds within which no moment of the video is seen twice; half of the video where that is less."""
LEAST = 8.0
"""Seconds of video that can be chosen from; less is replayed to and fro."""
JUMP = 1.0
"""Deviations of head and body by which a frame does not follow the one before."""
JOIN, AGAIN = 4.0, 100.0
"""What a join costs a unit of distance, and a frame seen again too soon, in frames of prosody that differ by one
deviation."""
VARIETY = 1.0
"""Deviation of what chance adds to a piece's cost, in the same frames: another seed, another performance."""
SILENT = 1.25
"""Units of the energy channel (20 dB each) below the loud parts from which on nobody speaks."""
FOLLOWING = 0.12
"""Seconds; deviation of the Gaussian over prosody."""


class Selection(NamedTuple):
    """Which of the person's own frames are shown in each of N frames: `first`, going over into `second`."""

    first: np.ndarray
    """int [N], frames of the person."""
    second: np.ndarray
    """int [N]."""
    weight: np.ndarray
    """float64 [N] in [0, 1]: how far it is the second."""

    @property
    def nearest(self) -> np.ndarray:
        """int [N]: the one that is shown more."""
        return np.where(self.weight < 0.5, self.first, self.second)


@dataclass(frozen=True)
class Footage:
    """The person's own video as something to choose from. Made by `footage_of`."""

    fps: float
    usable: np.ndarray
    """bool [F]: frames that may be shown: no test frames, and none without a face."""
    run_starts: np.ndarray
    """int [F]: of each frame the first one before it without a gap or a jump."""
    run_ends: np.ndarray
    """int [F]: the last one after it."""
    manner: np.ndarray
    """float64 [F, C]: how it is said, in deviations."""
    posture: np.ndarray
    """float64 [F, D]: head, body and eyes, in deviations."""
    still: np.ndarray
    """int [K]: frames where the head is still, and the ends of runs."""


def manner_of(prosody: np.ndarray, fps: float) -> np.ndarray:
    """How something is said, comparable between speakers and recordings.

    Args:
        prosody: float32 [N, 3], pitch, voicing and energy (`motion.prosody`).

    Returns:
        float64 [N, 3]: energy, pitch and speech against silence, smoothed as heads follow them, in deviations.
    """
    pitch, voicing, energy = prosody.astype(np.float64).T
    loud = np.quantile(energy, 0.9)
    spoken = energy > loud - SILENT
    if not spoken.any():
        return np.zeros((len(prosody), 3))
    level = (energy - energy[spoken].mean()) / max(float(energy[spoken].std()), 1e-3)
    voiced = (voicing > 0.5) & spoken
    octaves = pitch / np.maximum(voicing, 1e-3)
    middle = np.median(octaves[voiced]) if voiced.any() else 0.0
    tune = np.where(voiced, np.clip(octaves - middle, -1, 1), 0.0)
    tune /= max(float(tune[voiced].std()), 0.05) if voiced.any() else 1.0
    columns = (np.clip(level, -3, 3), tune, 2.0 * spoken)
    return np.stack([gaussian_filter1d(c, FOLLOWING * fps, mode="nearest") for c in columns], axis=1)


def footage_of(person: Person, prosody: np.ndarray) -> Footage | None:
    """What of a person's own video can be chosen from; None if it is too short.

    Args:
        prosody: float32 [F, 3] of its sound.
    """
    usable = person.is_train & person.valid
    if usable.sum() < LEAST * person.fps:
        return None
    posture = _posture(person, usable)
    moved = np.append(0.0, np.linalg.norm(np.diff(posture[:, :12], axis=0), axis=1))
    begins = ~usable | ~np.append(False, usable[:-1]) | (moved > JUMP)
    first = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    ends = np.append(first[1:] - 1, len(person) - 1)[run]
    speed = np.linalg.norm(np.gradient(gaussian_filter1d(posture[:, :6], SMOOTHING, axis=0), axis=0), axis=1)
    still = _still(speed, usable, begins, person.fps)
    return Footage(person.fps, usable, first[run], ends, manner_of(prosody, person.fps), posture, still)


def _posture(person: Person, usable: np.ndarray) -> np.ndarray:
    """[F, 14]: turn, place, body and eyes in deviations of the usable frames."""
    w2c = np.linalg.inv(person.c2w.astype(np.float64))
    reference = np.linalg.inv(mean_pose(person.c2w[usable]))
    turn = Rotation.from_matrix(w2c[:, :3, :3] @ reference[:3, :3].T).as_rotvec()
    columns = (turn, w2c[:, :3, 3], person.body.reshape(len(person), 6), person.landmarks.eye_openness)
    parts = []
    for part in columns:
        part = part.astype(np.float64)
        # One scale for all three angles, all three places, ...: what hardly moves must not count as much as what does.
        parts.append((part - part[usable].mean(axis=0)) / max(float(part[usable].std(axis=0).max()), 1e-6))
    return np.concatenate(parts, axis=1)


def _still(speed: np.ndarray, usable: np.ndarray, begins: np.ndarray, fps: float) -> np.ndarray:
    """Frames of least speed within 0.2 s, slower than usual, and those that begin something new: int [K]."""
    least = minimum_filter1d(speed, 2 * max(1, round(0.2 * fps)) + 1)
    return np.flatnonzero(usable & (begins | ((speed == least) & (speed <= np.median(speed[usable])))))


def select(footage: Footage, prosody: np.ndarray, seed: int) -> Selection:
    """Choose and join pieces for a speech.

    Args:
        prosody: float32 [N, 3] of the speech at the footage's fps.
        seed: another one, another choice.
    """
    wanted, dice = manner_of(prosody, footage.fps), np.random.default_rng(seed)
    pieces: list[tuple[int, int]] = []
    """Frame of the speech and of the video that each begins with."""
    shown_at = np.full(len(footage.manner), -np.inf)
    time, last = 0, None
    while time < len(wanted):
        begin, length = _next(footage, wanted[time:], shown_at, time, last, dice)
        if last is None or begin != last:
            pieces.append((time, begin))
        shown_at[begin : begin + length] = time + np.arange(length)
        time, last = time + length, begin + length
    return _joined(footage, pieces, len(wanted))


def _next(
    footage: Footage, wanted: np.ndarray, shown_at: np.ndarray, time: int, last: int | None, dice: np.random.Generator
) -> tuple[int, int]:
    """The piece to go on with: its first frame and its length.

    Args:
        wanted: manner [n, C] from now on.
        shown_at: float [F], when each frame of the video was last shown, in frames of the speech.
        time: now, in the same.
        last: the frame that would follow in the video.
    """
    fps = footage.fps
    shortest, longest = round(SHORTEST * fps), round(LONGEST * fps)
    starts = footage.still
    if last is not None and last < len(shown_at) and footage.usable[last]:
        starts = np.append(starts, last)
    room = footage.run_ends[starts] - starts + 1
    starts, room = starts[room >= min(shortest, room.max())], room[room >= min(shortest, room.max())]
    steps = np.arange(min(longest, int(room.max())))
    frames = np.minimum(starts[:, None] + steps, (starts + room - 1)[:, None])
    heard = wanted[np.minimum(steps, len(wanted) - 1)]
    differs = np.square(footage.manner[frames] - heard).mean(axis=-1)
    apart = min(APART, 0.5 * float(footage.usable.sum()) / fps) * fps
    again = np.maximum(0.0, 1.0 - (time + steps - shown_at[frames]) / apart)
    cost = np.cumsum(differs + AGAIN * again, axis=1)
    if last is not None:
        distance = np.linalg.norm(footage.posture[starts] - footage.posture[last - 1], axis=1)
        cost = cost + (JOIN * distance * (starts != last))[:, None]
    lengths = steps + 1
    can_end = np.isin(starts[:, None] + lengths, footage.still) | (lengths == room[:, None])
    allowed = can_end & (lengths <= room[:, None]) & (lengths >= np.minimum(shortest, room)[:, None])
    cost = (cost + VARIETY * dice.standard_normal(cost.shape)) / lengths
    best = int(np.where(allowed, cost, np.inf).argmin())
    row, column = divmod(best, cost.shape[1])
    return int(starts[row]), int(lengths[column])


def _joined(footage: Footage, pieces: list[tuple[int, int]], count: int) -> Selection:
    """The pieces with soft joins. No two joins are nearer than the shortest piece, which is longer than both blends."""
    frames, half = np.arange(count), BLEND * footage.fps
    at, begin = np.array(pieces).T
    piece = np.searchsorted(at, frames, side="right") - 1
    coming = np.minimum(piece + 1, len(pieces) - 1)
    nearest = np.where(at[coming] - frames <= half, coming, piece)  # the piece whose beginning is nearest
    nearest = np.where(at[coming] <= frames, piece, nearest)

    def own(piece: np.ndarray) -> np.ndarray:
        """The video's frames of pieces, which go on beyond their ends, or rest there."""
        first = begin[piece]
        return np.clip(first + frames - at[piece], footage.run_starts[first], footage.run_ends[first])

    weight = np.clip((frames - at[nearest] + half) / (2 * half), 0, 1)
    weight[nearest == 0] = 1.0
    return Selection(own(np.maximum(nearest - 1, 0)), own(nearest), weight * weight * (3 - 2 * weight))
