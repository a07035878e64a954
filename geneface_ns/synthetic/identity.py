"""Who an avatar is (shape, colours, hair, clothes) and how it moves (speaking style): both drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Colour = tuple[float, float, float]

SKINS: tuple[Colour, ...] = (
    (0.93, 0.76, 0.67),
    (0.89, 0.70, 0.58),
    (0.82, 0.62, 0.49),
    (0.70, 0.50, 0.37),
    (0.56, 0.39, 0.29),
    (0.44, 0.30, 0.23),
)
HAIRS: tuple[Colour, ...] = (
    (0.16, 0.11, 0.09),
    (0.30, 0.19, 0.12),
    (0.42, 0.28, 0.16),
    (0.62, 0.46, 0.27),
    (0.45, 0.20, 0.11),
    (0.50, 0.49, 0.48),
)
IRISES: tuple[Colour, ...] = ((0.30, 0.18, 0.10), (0.22, 0.36, 0.50), (0.28, 0.38, 0.25), (0.40, 0.30, 0.16))
SHIRTS: tuple[Colour, ...] = (
    (0.20, 0.33, 0.52),
    (0.50, 0.18, 0.22),
    (0.18, 0.42, 0.38),
    (0.80, 0.78, 0.72),
    (0.36, 0.30, 0.46),
    (0.72, 0.54, 0.25),
)
WALLS: tuple[Colour, ...] = ((0.62, 0.68, 0.70), (0.72, 0.66, 0.58), (0.56, 0.63, 0.55), (0.66, 0.62, 0.70))


@dataclass(frozen=True)
class Identity:
    """One person. Shape parameters are relative: 1 is the template's size, 0 no change."""

    seed: int
    """What it was drawn from; also seeds the fine texture."""
    face_width: float
    jaw_width: float
    chin: float
    """Added length of the chin, face widths."""
    nose_width: float
    nose_length: float
    nose_depth: float
    eye_size: float
    eye_spacing: float
    mouth_width: float
    lip_fullness: float
    brow_height: float
    """Added height of the brows, face widths."""
    brow_thickness: float
    skin: Colour
    hair: Colour
    iris: Colour
    shirt: Colour
    wall: Colour
    hair_style: Literal["short", "bob", "long"]
    hair_volume: float
    """Thickness of the hair on the skull, face widths."""
    freckles: float
    stubble: float
    shirt_pattern: Literal["buttons", "stripes", "checks"]

    @staticmethod
    def from_seed(seed: int) -> Identity:
        """The person that belongs to a seed; the same seed gives the same person."""
        rng = np.random.default_rng([seed, 1])

        def about(mean: float, spread: float) -> float:
            return float(mean + spread * np.clip(rng.standard_normal(), -1.8, 1.8))

        def one_of(choices):
            return choices[int(rng.integers(len(choices)))]

        def tint(colour: Colour, spread: float) -> Colour:
            r, g, b = np.clip(np.array(colour) + rng.uniform(-spread, spread, 3), 0.05, 0.95)
            return float(r), float(g), float(b)

        tone = int(rng.integers(len(SKINS)))
        hair = one_of(HAIRS) if tone < 3 else HAIRS[int(rng.integers(2))]
        return Identity(
            seed=seed,
            face_width=about(1.0, 0.035),
            jaw_width=about(1.0, 0.05),
            chin=about(0.0, 0.02),
            nose_width=about(1.0, 0.10),
            nose_length=about(1.0, 0.06),
            nose_depth=about(1.0, 0.12),
            eye_size=about(1.06, 0.05),
            eye_spacing=about(1.0, 0.03),
            mouth_width=about(1.0, 0.06),
            lip_fullness=about(1.0, 0.15),
            brow_height=about(0.0, 0.012),
            brow_thickness=about(1.0, 0.2),
            skin=tint(SKINS[tone], 0.02),
            hair=tint(hair, 0.02),
            iris=tint(one_of(IRISES), 0.03),
            shirt=tint(one_of(SHIRTS), 0.04),
            wall=tint(one_of(WALLS), 0.03),
            hair_style=one_of(("short", "bob", "long")),
            hair_volume=about(0.10, 0.02),
            freckles=float(rng.uniform(0, 1)),
            stubble=float(max(0.0, rng.uniform(-0.6, 0.8))),
            shirt_pattern=one_of(("buttons", "stripes", "checks")),
        )


@dataclass(frozen=True)
class Style:
    """How a person speaks and moves."""

    seed: int
    """What it was drawn from; also seeds the trajectories."""
    jaw: float
    """Scale of the jaw's opening."""
    lips: float
    """Scale of rounding and spreading."""
    coarticulation: float
    """Width of the smoothing of mouth shapes, seconds."""
    head_motion: float
    """Scale of the head's trajectory; 1 spans about ±12° yaw."""
    body_motion: float
    """Scale of the shoulders' motion."""
    blink_rate: float
    """Blinks per second."""
    brow_motion: float
    """Scale of brow movements."""
    smile: float
    """Resting lift of the mouth's corners."""

    @staticmethod
    def from_seed(seed: int) -> Style:
        """The speaking style that belongs to a seed."""
        rng = np.random.default_rng([seed, 2])
        return Style(
            seed=seed,
            jaw=float(rng.uniform(0.85, 1.15)),
            lips=float(rng.uniform(0.8, 1.2)),
            coarticulation=float(rng.uniform(0.035, 0.055)),
            head_motion=float(rng.uniform(0.7, 1.0)),
            body_motion=float(rng.uniform(0.7, 1.2)),
            blink_rate=float(rng.uniform(0.22, 0.4)),
            brow_motion=float(rng.uniform(0.5, 1.2)),
            smile=float(rng.uniform(0.0, 0.3)),
        )
