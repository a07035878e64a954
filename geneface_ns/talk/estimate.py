"""How long the parts of the work take, before they have been measured on this machine."""

from __future__ import annotations

from geneface_ns.trained.methods import METHOD, SPLAT

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


USUAL = {METHOD: (4.0, 1.6), SPLAT: (5.2, 0.6)}
"""Of each method the minutes for 128², and the power of the pictures' side that they go with."""


def usual_minutes(width: int, height: int, method: str = METHOD) -> float:
    """Of training on a CPU for pictures of a size (docs/training.md): 4 at 128², 12 at 256², 37 at 512²; of Gaussians
    5, 8 and 12: 9000 steps, by what 4000 took at 256², and at other sizes by what the rasteriser takes."""
    minutes, power = USUAL[method]
    return minutes * ((width * height) ** 0.5 / 128) ** power


def size_for(minutes: float, method: str = METHOD) -> int | None:
    """Pixels of the longer side that so many minutes suffice for; None: as many as there are."""
    if minutes >= ENOUGH * usual_minutes(MOST, MOST, method):
        return None
    return max((size for size in SIZES if ENOUGH * usual_minutes(size, size, method) <= minutes), default=SIZES[0])


def processing(frames: int, width: int, height: int) -> float:
    """Seconds of `geneface process`: detecting costs the same at every size, the rest goes with the pixels."""
    return START + frames * (0.02 + 2e-7 * width * height)


def rendering(frames: float, width: int, height: int) -> float:
    """Seconds of `geneface render`."""
    return START + frames * (0.005 + 8e-7 * width * height)
