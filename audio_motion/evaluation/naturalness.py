"""Five measures of how people move while they speak, after THEval (Quignon et al., CVPR 2026): no network, no training.

THEval measures pictures with MediaPipe's mesh, FaceXFormer and Silero's voice detector; here are its formulas on the 68
iBUG points, tracked poses and loudness. Each made figure is compared with the real one by `score`, not frame by frame:
another performance as lively as the real one scores as well as the real one. What is in THEval and not here: the three
networks that judge the picture's quality.

Landmarks are [T, 68, 2] of a picture, or [T, 68, 3] of a head seen from the front, in any unit; frames without a face
are nan. Loudness is [T] in dB, as `features.prosody.loudness_of`. All lengths are in distances between the outer
corners of the eyes, frame by frame.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from scipy.ndimage import binary_opening

from audio_motion.errors import InputError
from audio_motion.topology import BROWS, MOUTH, mouth_opening

LEAST = 1.0
"""Seconds of face without which nothing is said."""
QUIET, RISE, LOUD = 25.0, 8.0, 15.0
"""dB: nobody speaks where it is QUIET below the loud parts (90 % quantile), or less than RISE above the softest tenth,
which is the room's noise; but down to LOUD below the loud parts all is speech, as of people who make no pause."""
SILENCE = 0.3
"""Seconds that a silence lasts at least, as in THEval: lips move through shorter ones on purpose."""
FEW = 10
"""Silent or spoken frames without which the two measures that need them say nothing."""
_CORNERS, _LEFT, _RIGHT = [36, 39, 42, 45], 36, 45


@dataclass(frozen=True)
class Naturalness:
    """The five figures of one performance, or five scores; nan where there is nothing to say."""

    lip_dynamics: float
    head_motion: float
    brow_dynamics: float
    silent_lips: float
    lip_sync: float


def naturalness(landmarks: np.ndarray, loudness: np.ndarray, fps: float, head: np.ndarray | None = None) -> Naturalness:
    """The five figures.

    Args:
        landmarks: [T, 68, 2 or 3].
        loudness: [T] dB, of the sound at the same frames.
        fps: of both.
        head: [T, 5] as `head_motion`; None: it is not known how the head moved.

    Raises:
        InputError: another shape, sound or poses that are not finite, or less than `LEAST` of face.
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] not in ((68, 2), (68, 3)):
        raise InputError(f"landmarks have shape {landmarks.shape}; expected [frames, 68, 2 or 3]")
    if loudness.shape != (len(landmarks),) or not np.isfinite(loudness).all():
        raise InputError(
            f"{loudness.size} levels of sound for {len(landmarks)} frames, or not finite; expected one each"
        )
    if head is not None and (head.shape != (len(landmarks), 5) or not np.isfinite(head).all()):
        raise InputError(f"{len(head)} poses for {len(landmarks)} frames, or not finite; expected [frames, 5]")
    seen = np.isfinite(landmarks).all(axis=(1, 2))
    if seen.sum() < LEAST * fps:
        raise InputError(f"a face in {seen.sum()} of {len(seen)} frames; naturalness needs {LEAST:g} s of it")
    return Naturalness(
        lip_dynamics(landmarks[seen]),
        float("nan") if head is None else head_motion(head),
        brow_dynamics(landmarks[seen]),
        silent_lips(landmarks[seen], silences(loudness, fps)[seen]),
        lip_sync(landmarks[seen], loudness[seen], speaks(loudness)[seen]),
    )


def score(made: Naturalness, real: Naturalness) -> Naturalness:
    """`likeness` of each figure."""
    return Naturalness(*(likeness(a, b) for a, b in zip(astuple(made), astuple(real), strict=True)))


def likeness(made: float, real: float) -> float:
    """1 - |made - real| / real: 1 is as the real one, 0 nothing at all or twice as much, below 0 more than that. nan
    where one of the two is not known or the real one is 0."""
    return 1.0 - abs(made - real) / real if real > 1e-9 else float("nan")


def mean(figures: list[Naturalness], weights: list[float] | None = None) -> Naturalness:
    """The mean of each figure over performances, before scores are taken, as THEval does; nan are left out."""
    found = []
    for field in fields(Naturalness):
        values = np.array([getattr(figure, field.name) for figure in figures], np.float64)
        known = np.isfinite(values)
        share = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
        found.append(float(np.average(values[known], weights=share[known])) if known.any() else float("nan"))
    return Naturalness(*found)


def lip_dynamics(landmarks: np.ndarray) -> float:
    """How much the shape of the lips varies: the mean, over all pairs of the mouth's 20 points, of the standard
    deviation of their distance over time. THEval takes 40 points of the mesh."""
    mouth = _frontal(landmarks)[:, MOUTH]
    first, second = np.triu_indices(mouth.shape[1], 1)
    return float(np.linalg.norm(mouth[:, first] - mouth[:, second], axis=-1).std(axis=0, ddof=1).mean())


def head_motion(head: np.ndarray) -> float:
    """How much the head moves: the root of the mean deviation of the three angles, times the mean variance of their
    change from frame to frame, plus the mean variance of the head's place.

    Args:
        head: [T, 5]: yaw, pitch and roll in degrees, and the place in the picture in hundredths of the face's width.

    THEval has the place in pixels, where it is nearly all of the sum; so it is here.
    """
    turns, place = head[:, :3], head[:, 3:]
    changes = np.diff(turns, axis=0).var(axis=0).mean()
    return float(np.sqrt(turns.std(axis=0).mean() * changes + place.var(axis=0).mean()))


def brow_dynamics(landmarks: np.ndarray) -> float:
    """Standard deviation over time of the height of the brows above the line through the eyes' corners."""
    points = _frontal(landmarks)
    along = points[:, _RIGHT] - points[:, _LEFT]  # of length 1
    up = points[:, BROWS].mean(axis=1) - points[:, _CORNERS].mean(axis=1)
    return float((along[:, 0] * up[:, 1] - along[:, 1] * up[:, 0]).std(ddof=1))


def silent_lips(landmarks: np.ndarray, silent: np.ndarray) -> float:
    """Median absolute deviation of the opening of the lips in silences, bool [T]; nan with fewer than `FEW` of them."""
    if silent.sum() < FEW:
        return float("nan")
    opening = mouth_opening(_frontal(landmarks))[silent]
    return float(np.median(np.abs(opening - np.median(opening))))


def lip_sync(landmarks: np.ndarray, loudness: np.ndarray, spoken: np.ndarray) -> float:
    """How far the lips' opening is from the sound's amplitude while somebody speaks, bool [T]: mean absolute
    difference, each brought to 0 .. 1 by its least and greatest value. Smaller is closer. nan with fewer than `FEW`
    spoken frames, lips that do not move at all, or even sound."""
    opening, amplitude = mouth_opening(_frontal(landmarks))[spoken], 10.0 ** (loudness[spoken] / 20.0)
    if len(opening) < FEW or np.ptp(opening) < 1e-6 or np.ptp(amplitude) < 1e-6 * amplitude.max():
        return float("nan")
    a, b = ((x - x.min()) / np.ptp(x) for x in (opening, amplitude))
    return float(np.abs(a - b).mean())


def speaks(loudness: np.ndarray) -> np.ndarray:
    """Frames in which somebody speaks: [T] dB -> bool [T]."""
    soft, loud = np.quantile(loudness, [0.1, 0.9])
    return loudness > max(loud - QUIET, min(soft + RISE, loud - LOUD))


def silences(loudness: np.ndarray, fps: float) -> np.ndarray:
    """Frames within a silence of at least `SILENCE`: [T] dB -> bool [T]."""
    return binary_opening(~speaks(loudness), np.ones(max(1, round(SILENCE * fps)), bool))


def _frontal(landmarks: np.ndarray) -> np.ndarray:
    """float64 [T, 68, 2]: as seen from the front, in distances between the eyes' outer corners."""
    points = landmarks[..., :2].astype(np.float64)
    return points / np.linalg.norm(points[:, _RIGHT] - points[:, _LEFT], axis=-1)[:, None, None]
