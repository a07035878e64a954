"""How long the parts of the work take, before they have been measured on this machine."""

from __future__ import annotations

MOST = 512
"""Pixels of the longer side of a capture that is told no size."""
SIZES = (128, 192, 256, 384)
"""Sizes that few minutes are spent on."""
ENOUGH = 0.4
"""Part of the usual minutes that a size is still worth being trained for."""
FIT = 60.0
"""Seconds to fit a voice to a capture."""
START = 20.0
"""Seconds until a command that loads everything begins to work."""


def usual_minutes(width: int, height: int) -> float:
    """Of training on a CPU for pictures of a size (docs/training.md): 4 at 128², 12 at 256², 37 at 512²."""
    return 4.0 * ((width * height) ** 0.5 / 128) ** 1.6


def size_for(minutes: float) -> int | None:
    """Pixels of the longer side that so many minutes suffice for; None: as many as there are."""
    if minutes >= ENOUGH * usual_minutes(MOST, MOST):
        return None
    return max((size for size in SIZES if ENOUGH * usual_minutes(size, size) <= minutes), default=SIZES[0])


def processing(frames: int, width: int, height: int) -> float:
    """Seconds of `geneface process`: detecting costs the same at every size, the rest goes with the pixels."""
    return START + frames * (0.02 + 2e-7 * width * height)


def rendering(frames: float, width: int, height: int) -> float:
    """Seconds of `geneface render`."""
    return START + frames * (0.005 + 8e-7 * width * height)
