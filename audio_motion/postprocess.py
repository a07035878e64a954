"""What is done to generated motion before a face shows it. Pure functions, each of which may be left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial.distance import cdist

from audio_motion.errors import InputError
from audio_motion.topology import (
    CHIN,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    JAW,
    LOWER_LIDS,
    MOUTH,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    UPPER_LIDS,
    eye_openness,
)

_OPENS = (
    (INNER_LOWER_LIP, -0.7),
    (OUTER_LOWER_LIP, -0.6),
    (INNER_UPPER_LIP, 0.3),
    (OUTER_UPPER_LIP, 0.2),
    (CHIN, -0.25),
)
"""Points, and how far they rise when the mouth opens by 1: regression over half an hour of 95 tracked speakers."""
_CLOSING, _SHUT, _REOPENING = 0.08, 0.03, 0.16
"""Seconds of a blink's phases; human blinks last 0.1 to 0.4 s and open more slowly than they close."""
_RIDGE = 1e-3
"""Regularisation of the local combination, relative to the neighbours' mean squared distance."""
_OPEN, _CLOSED, _CLOSES = 0.2, 0.6, 0.8
"""How likely lips are shut when they begin to close, when they touch, and motion frames (standard deviation) in which
they close."""
_SLOT = 4.0
"""Mean seconds between blinks."""


@dataclass(frozen=True)
class PostProcess:
    """Which steps are taken."""

    clamp: bool = True
    """Keep every coordinate within what the person's own motion covers (1 % to 99 %, and a quarter more)."""
    local: float = 0.0
    """Draw every mouth shape so far (0 to 1) towards its likeness among the person's own shapes; 0 turns it off.
    Off by default: on a real speaker's unseen speech, 1 changed the opening's correlation from 0.443 to 0.448 only, and
    cost one point of sync accuracy."""
    smoothing: float = 0.02
    """Standard deviation of the smoothing along time, seconds; 0 turns it off. At most 0.05."""
    mouth_amplitude: float | None = None
    """Open the mouth so many times as far; by default what validation found when the generator was trained;
    once with a post-net, which has learnt the person's own."""
    silence: bool = True
    """Ease the mouth to the person's rest shape where there is no sound."""
    lips: bool = True
    """Shut the lips at /p/, /b/ and /m/, for generators that hear through the package's Whisper layers: the only ones
    that such sounds were learnt with."""
    quiet: float = -60.0
    """Loudness in dB of full scale below which it is silence; speech counts fully from 10 dB above."""
    blink: bool = True
    """Blink every 2 to 6 s. Blinks do not follow speech, so they are made here and not learnt."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.smoothing <= 0.05:
            raise InputError(f"smoothing is {self.smoothing} s; give 0 (off) to 0.05")
        if not 0.0 <= self.local <= 1.0:
            raise InputError(f"local is {self.local}; give 0 (off) to 1 (the person's own shapes alone)")


AS_GENERATED = PostProcess(clamp=False, smoothing=0.0, silence=False, lips=False, blink=False)
"""None of the steps that can be left out; the amplitude that validation found is part of the generator."""


def clamp(offsets: np.ndarray, low: np.ndarray, high: np.ndarray, slack: float = 0.25) -> np.ndarray:
    """Limit offsets [T, 68, 3] to [low, high], both [68, 3], widened on each side by `slack` times their distance."""
    room = slack * (high - low)
    return np.clip(offsets, low - room, high + room)


def project_locally(offsets: np.ndarray, examples: np.ndarray, neighbours: int, weight: float) -> np.ndarray:
    """Draw mouths towards the person's own shapes by locally linear embedding (Roweis and Saul, Science 2000).

    Each mouth is replaced by `weight` times the combination of its nearest examples that is most like it, with
    coefficients of sum 1, plus the rest of itself. Frames are independent of each other, but an example's coefficient
    fades out towards the distance of the first one left out: a mouth that moves smoothly stays smooth.

    Args:
        offsets: [T, 68, 3].
        examples: [N, 20, 3] offsets of mouths.
        neighbours: how many examples are combined; fewer where there are not so many.
        weight: 0 to 1.
    """
    result = offsets.copy()
    mouths = offsets[:, MOUTH].reshape(len(offsets), -1).astype(np.float64)
    known = examples.reshape(len(examples), -1).astype(np.float64)
    distances = cdist(mouths, known, "sqeuclidean")
    order = np.argsort(distances, axis=1)[:, : neighbours + 1]
    near = order[:, :neighbours]
    square = np.take_along_axis(distances, near, axis=1)
    if order.shape[1] > neighbours:
        radius = np.take_along_axis(distances, order[:, -1:], axis=1)
        fading = 1.0 / np.maximum(1.0 - square / np.maximum(radius, 1e-12), 1e-9)
    else:
        fading = np.ones_like(square)
    towards = known[near] - mouths[:, None]  # [T, K, 60]
    gram = towards @ towards.transpose(0, 2, 1)
    gram += np.eye(near.shape[1]) * (_RIDGE * square.mean(axis=1, keepdims=True) * fading + 1e-12)[:, None]
    share = np.linalg.solve(gram, np.ones((*near.shape, 1)))
    share /= share.sum(axis=1, keepdims=True)
    moved = mouths + weight * (towards * share).sum(axis=1)
    result[:, MOUTH] = moved.reshape(-1, 20, 3)
    return result


def smooth(motion: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing along time, the first axis of [T, ...]; `sigma` in frames, the kernel ends at 3 sigma. The
    ends are continued with their last value.
    """
    reach = int(np.ceil(3 * sigma))
    if reach == 0:
        return motion
    return gaussian_filter1d(motion, sigma, axis=0, mode="nearest", radius=reach)


def scale_opening(offsets: np.ndarray, times: float) -> np.ndarray:
    """Open the mouth so many times as far, about its mean opening: offsets [T, 68, 3] from the mean face.

    Only the opening is enlarged, as speakers share it out between lips and chin. What speech tells less of (width,
    protrusion, drift) stays as likely as it was: at one amplitude the mouth error was 0.89, and 0.98 with all of the
    mouth's motion enlarged (docs/benchmarks.md).
    """
    more = (times - 1.0) * (offsets[:, INNER_UPPER_LIP, 1] - offsets[:, INNER_LOWER_LIP, 1]).mean(axis=1)
    return opened(offsets, more)


def shut_lips(offsets: np.ndarray, rest: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """Shut the mouth as far as at rest where the lips must touch; one that is shut further stays so.

    Args:
        offsets: [T, 68, 3].
        rest: [68, 3].
        closed: [T], how likely the lips are shut (`models.closure`). It depends on 4 frames to either side.
    """
    share = np.clip((closed - _OPEN) / (_CLOSED - _OPEN), 0.0, 1.0)
    share = smooth(maximum_filter1d(share * share * (3.0 - 2.0 * share), 3, mode="nearest"), _CLOSES)
    openings = [(x[..., INNER_UPPER_LIP, 1] - x[..., INNER_LOWER_LIP, 1]).mean(axis=-1) for x in (offsets, rest)]
    return opened(offsets, -share * np.maximum(0.0, openings[0] - openings[1]))


def opened(offsets: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Offsets [T, 68, 3] with the mouth open by so much more, [T]."""
    result = offsets.copy()
    for points, share in _OPENS:
        result[:, points, 1] += (share * more[:, None]).astype(offsets.dtype)
    return result


def part_lips(landmarks: np.ndarray) -> np.ndarray:
    """Where the inner upper lip lies below the inner lower lip, let them meet half way: landmarks [T, 68, 3]."""
    result = landmarks.copy()
    upper, lower = result[:, INNER_UPPER_LIP, 1], result[:, INNER_LOWER_LIP, 1]
    middle = (upper + lower) / 2
    result[:, INNER_UPPER_LIP, 1] = np.maximum(upper, middle)
    result[:, INNER_LOWER_LIP, 1] = np.minimum(lower, middle)
    return result


def ease_to_rest(offsets: np.ndarray, rest: np.ndarray, speaking: np.ndarray) -> np.ndarray:
    """Move mouth and jaw to the rest shape where nobody speaks.

    Args:
        offsets: [T, 68, 3].
        rest: [68, 3].
        speaking: [T] from 0 (silence) to 1; see `speaking_from_loudness`.
    """
    result = offsets.copy()
    weight = speaking[:, None, None].astype(offsets.dtype)
    for part in (JAW, MOUTH):
        result[:, part] = rest[part] + weight * (offsets[:, part] - rest[part])
    return result


def speaking_from_loudness(loudness: np.ndarray, quiet: float) -> np.ndarray:
    """Loudness [2T] in dB at 50 Hz -> how much the frames of 25 Hz are speech, [T] in 0 to 1.

    A mouth opens a little before its sound and closes a little after: the loudest moment within 0.1 s counts, and the
    result is smoothed over about as long. It depends on 8 motion frames to either side.
    """
    reach = 5
    # Motion frame k lies between the features 2k - 1 and 2k.
    padded = np.pad(loudness, reach, mode="edge")
    loudest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach).max(axis=-1)[: len(loudness) : 2]
    share = np.clip((loudest - quiet) / 10.0, 0.0, 1.0)
    return smooth(share * share * (3.0 - 2.0 * share), 1.5)


def blink_times(first: float, last: float, seed: int) -> np.ndarray:
    """When the eyes begin to close, in seconds, within [first, last): float64 [N].

    Each 4 s hold one blink at a random moment of their first half, so that intervals lie between 2 and 6 s. A blink
    depends on the seed and its own 4 s only: any span gives the same blinks.
    """
    slots = range(max(0, int(np.floor(first / _SLOT))), int(np.floor(last / _SLOT)) + 1)
    times = [_SLOT * k + _SLOT / 2 * np.random.default_rng([seed, k, 0xB11]).random() for k in slots]
    return np.array([t for t in times if first <= t < last])


def blink_closure(times: np.ndarray, seed: int) -> np.ndarray:
    """How far blinks have closed the eyes at `times` [T] (s, ascending): [T], 0 open to 1 shut.

    A blink closes within 0.08 s, stays for 0.03 s and opens within 0.16 s, with smooth ends.
    """
    closure = np.zeros(len(times))
    if len(times) == 0:
        return closure
    for start in blink_times(times[0] - (_CLOSING + _SHUT + _REOPENING), times[-1] + 1e-9, seed):
        since = times - start
        share = np.minimum(since / _CLOSING, (_CLOSING + _SHUT + _REOPENING - since) / _REOPENING)
        share = np.clip(share, 0.0, 1.0)
        closure = np.maximum(closure, share * share * (3.0 - 2.0 * share))
    return closure


def set_eyes(landmarks: np.ndarray, openness: np.ndarray) -> np.ndarray:
    """Move the upper lids towards or from the lower ones until the eyes are so far open.

    Args:
        landmarks: [T, 68, 3].
        openness: [T, 2], the eye on the image's left first.

    Returns:
        landmarks [T, 68, 3] with `topology.eye_openness` equal to `openness`.
    """
    result = landmarks.copy()
    ratio = openness / np.maximum(eye_openness(landmarks), 1e-6)
    per_point = np.repeat(ratio, 2, axis=1)[..., None].astype(landmarks.dtype)
    result[:, UPPER_LIDS] = landmarks[:, LOWER_LIDS] + per_point * (landmarks[:, UPPER_LIDS] - landmarks[:, LOWER_LIDS])
    return result
