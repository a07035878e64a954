"""How far a clip's sound lies from its picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lag:
    """The delay of a sound."""

    seconds: float
    """Positive: the sound comes late relative to the picture."""
    confidence: float
    """0: no better than chance; 1: certain."""
