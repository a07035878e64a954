"""How an avatar moves: mouth from phonemes, blinks, gaze, head and shoulders; a function of speech, style and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from audio_motion.errors import InputError
from geneface_ns.synthetic.expression import Expression
from geneface_ns.synthetic.identity import Style

_GRID = 500.0
"""Hz, of the fine time grid on which mouth shapes are smoothed."""

_SHAPES: dict[str, tuple[float, float, float, float, float, float, float]] = {
    # jaw, close, round, wide, upper, lower, tongue
    "rest": (0.00, 1.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "open": (0.95, 0.00, 0.00, 0.10, 0.35, 0.30, 0.00),
    "mid": (0.60, 0.00, 0.00, 0.30, 0.35, 0.30, 0.00),
    "schwa": (0.35, 0.10, 0.05, 0.05, 0.15, 0.15, 0.00),
    "spread": (0.22, 0.05, 0.00, 0.90, 0.45, 0.40, 0.00),
    "small": (0.32, 0.10, 0.00, 0.45, 0.30, 0.25, 0.00),
    "round": (0.28, 0.10, 0.95, 0.00, 0.05, 0.15, 0.00),
    "pout": (0.14, 0.30, 1.00, 0.00, 0.00, 0.05, 0.00),
    "round open": (0.65, 0.00, 0.70, 0.00, 0.15, 0.20, 0.00),
    "lips": (0.06, 1.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "teeth on lip": (0.10, 0.15, 0.00, 0.15, 0.45, -1.00, 0.00),
    "hiss": (0.08, 0.15, 0.00, 0.55, 0.40, 0.45, 0.10),
    "hush": (0.14, 0.10, 0.65, 0.00, 0.45, 0.45, 0.00),
    "tip": (0.22, 0.15, 0.00, 0.20, 0.20, 0.25, 1.00),
    "tongue out": (0.20, 0.10, 0.00, 0.20, 0.25, 0.25, 0.90),
    "back": (0.28, 0.15, 0.00, 0.15, 0.15, 0.20, 0.00),
    "r": (0.22, 0.20, 0.50, 0.00, 0.20, 0.20, 0.20),
}
_CHANNELS = ("jaw", "close", "round", "wide", "upper", "lower", "tongue")

# flite's (CMU) names, then espeak-ng's where they differ. Two shapes: a diphthong.
_PHONES: dict[str, tuple[str, ...]] = {}
for _shapes, _names in {
    ("rest",): "pau _ _: _! ssil",
    ("open",): "aa A: a a:",
    ("mid",): "ae ah eh E E: V",
    ("schwa",): "ax er ih @ 3 3: I hh h x",
    ("spread",): "iy i: i y j e:",
    ("small",): "ey e",
    ("round",): "uh ow U o: O Y Y: y: W",
    ("pout",): "uw w u: u",
    ("round open",): "ao O: 0",
    ("lips",): "p b m",
    ("teeth on lip",): "f v pf",
    ("hiss",): "s z ts",
    ("hush",): "sh zh ch jh S Z tS dZ",
    ("tip",): "t d n l",
    ("tongue out",): "th dh T D",
    ("back",): "k g ng N C",
    ("r",): "r R r-",
    ("open", "spread"): "ay aI",
    ("open", "pout"): "aw aU",
    ("round open", "spread"): "oy OY",
}.items():
    for _name in _names.split():
        _PHONES[_name] = _shapes

Phones = Sequence[tuple[str, float, float]]
"""(name, start, end), seconds, in order."""

BILABIALS = frozenset("pbm")


@dataclass(frozen=True)
class Motion:
    """Everything that moves, per frame."""

    expression: Expression
    """Arrays [T]."""
    angles: np.ndarray
    """float64 [T, 3]: yaw, pitch, roll of the head, radians (see `scene.head_to_world`)."""
    shift: np.ndarray
    """float64 [T, 3]: of the head, face widths, world frame."""
    body_turn: np.ndarray
    """float64 [T]: the torso's turn in the image, radians."""
    body_scale: np.ndarray
    """float64 [T]."""
    body_shift: np.ndarray
    """float64 [T, 2]: shorter image sides."""


def shapes_of(phone: str) -> tuple[str, ...]:
    """The mouth shapes of a phone: one, or two for a diphthong.

    Raises:
        InputError: a phone that neither voice uses.
    """
    if phone not in _PHONES:
        raise InputError(f"unknown phone {phone!r}; use flite's or espeak-ng's names")
    return _PHONES[phone]


def _mouth(phones: Phones, times: np.ndarray, fps: float, style: Style) -> dict[str, np.ndarray]:
    """Channels [T] at `times`."""
    grid = np.arange(-0.5, max(times[-1], phones[-1][2]) + 0.5, 1 / _GRID)
    targets = np.tile(np.array(_SHAPES["rest"]), (len(grid), 1))
    for phone, start, end in phones:
        shapes = shapes_of(phone)
        cuts = np.linspace(start, end, len(shapes) + 1)
        for shape, a, b in zip(shapes, cuts[:-1], cuts[1:], strict=True):
            targets[(grid >= a) & (grid < b)] = _SHAPES[shape]
    # Targets are reached a little before the sound, as in people; rounding spreads further than the jaw.
    sigma = style.coarticulation * _GRID
    smooth = np.stack(
        [
            gaussian_filter1d(targets[:, k], sigma * (1.3 if name in ("round", "wide") else 0.8), mode="nearest")
            for k, name in enumerate(_CHANNELS)
        ],
        1,
    )
    ahead = times + 0.3 * style.coarticulation
    mouth = {name: np.interp(ahead, grid, smooth[:, k]) for k, name in enumerate(_CHANNELS)}
    for name, scale in (("jaw", style.jaw), ("round", style.lips), ("wide", style.lips)):
        mouth[name] = mouth[name] * scale
    # Bilabials: held shut around the middle, for at least one frame; pauses: shut.
    held, press = np.zeros(len(times)), np.zeros(len(times))
    for phone, start, end in phones:
        if phone in BILABIALS:
            middle, half = (start + end) / 2, max(0.4 * (end - start), 0.5 / fps)
        elif shapes_of(phone) == ("rest",) and end - start > 0.25:
            middle, half = (start + end) / 2, (end - start) / 2 - 0.10
        else:
            continue
        away = np.maximum(np.abs(times - middle) - half - 1e-9, 0) / 0.055
        amount = np.clip(1 - away, 0, 1) ** 2 * (3 - 2 * np.clip(1 - away, 0, 1))
        held = np.maximum(held, amount)
        if phone in BILABIALS:
            press = np.maximum(press, amount)
    mouth["close"] = np.clip(np.maximum(mouth["close"], held), 0, 1)
    mouth["press"] = 0.7 * press
    return mouth


def _wander(rng: np.random.Generator, times: np.ndarray, slow: float, fast: float, terms: int = 5) -> np.ndarray:
    """A smooth random curve [T] within [-1, 1], frequencies from `slow` to `fast` Hz."""
    frequency = np.geomspace(slow, fast, terms) * rng.uniform(0.85, 1.15, terms)
    weight = frequency**-0.6
    weight /= weight.sum()
    phase = rng.uniform(0, 2 * np.pi, terms)
    return (weight * np.sin(2 * np.pi * frequency * times[:, None] + phase)).sum(1) * 1.25


def _blinks(rng: np.random.Generator, times: np.ndarray, rate: float) -> np.ndarray:
    """[T] in [0, 1]: shut within 80 ms, held 40 ms, open again in 150 ms."""
    amount = np.zeros(len(times))
    at = rng.uniform(0.4, 1.5)
    while at < times[-1]:
        t = times - at
        amount = np.maximum(amount, np.clip(np.minimum(t / 0.08 + 1, 1 - (t - 0.04) / 0.15), 0, 1))
        at += 0.6 + rng.exponential(max(1 / rate - 0.6, 0.3))
    return amount * amount * (3 - 2 * amount)


def motion(phones: Phones, style: Style, frames: int, fps: float) -> Motion:
    """The motion of `frames` frames; frame i stands for the time i / fps."""
    times = np.arange(frames) / fps
    rng = np.random.default_rng([style.seed, 8])
    mouth = _mouth(phones, times, fps, style)
    degrees = np.stack(
        [
            11.5 * _wander(rng, times, 0.07, 0.9),
            6.0 * _wander(rng, times, 0.10, 1.4) + 1.0 * _wander(rng, times, 1.2, 2.5),
            4.6 * _wander(rng, times, 0.08, 0.8),
        ],
        1,
    )
    degrees = np.clip(degrees, [-12, -8, -5], [12, 8, 5])
    angles = np.deg2rad(degrees) * style.head_motion
    shift = np.stack([_wander(rng, times, 0.06, 0.5) for _ in range(3)], 1) * [0.10, 0.05, 0.10] * style.head_motion
    breath = np.sin(2 * np.pi * rng.uniform(0.22, 0.3) * times + rng.uniform(0, 6))
    sway = np.stack([_wander(rng, times, 0.05, 0.35) for _ in range(3)], 1) * style.body_motion
    share = 0.38 * 0.55  # 0.38 shorter sides a face width; shoulders follow about half
    body_shift = np.stack(
        [
            share * shift[:, 0] + 0.010 * sway[:, 0] + 0.020 * np.sin(angles[:, 0]),
            -share * shift[:, 1] + 0.006 * sway[:, 1] - 0.0022 * breath,
        ],
        1,
    )
    # The head is carried by the shoulders.
    shift = shift + np.stack([0.010 * sway[:, 0] / 0.38, -0.006 * sway[:, 1] / 0.38, 0 * times], 1)
    looks = np.repeat(rng.normal(0, 0.035, (int(times[-1] / 1.7) + 2, 2)), round(1.7 * fps), 0)
    looks = np.resize(gaussian_filter1d(looks, 0.03 * fps, axis=0, mode="nearest"), (frames, 2))
    blink = _blinks(rng, times, style.blink_rate)
    zero = np.zeros(frames)
    expression = Expression(
        **mouth,
        smile=zero + style.smile * (0.7 + 0.3 * _wander(rng, times, 0.05, 0.3)),
        blink_left=blink,
        blink_right=blink,
        brow=style.brow_motion * (0.5 * _wander(rng, times, 0.15, 1.0) + 0.25 * np.clip(mouth["jaw"] - 0.4, 0, 1)),
        gaze_x=np.clip(-0.85 * angles[:, 0] + looks[:, 0], -0.4, 0.4),
        gaze_y=np.clip(0.85 * angles[:, 1] + 0.5 * looks[:, 1], -0.25, 0.25),
    )
    body_turn = np.deg2rad(1.0 * sway[:, 2]) + 0.15 * angles[:, 2]
    body_scale = 1 + 0.0035 * breath + 0.05 * shift[:, 2]
    return Motion(expression, angles, shift, body_turn, body_scale, body_shift)
