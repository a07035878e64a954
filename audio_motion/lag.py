"""An offset of sound and picture, as it is estimated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lag:
    """An estimated offset of sound and picture."""

    seconds: float
    """By how much the sound comes late."""
    confidence: float
    """Its mean cosine less the median over all lags (as SyncNet counts it): near 0 is no evidence, 0.3 is plenty."""
