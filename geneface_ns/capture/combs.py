"""The combs that two half-pictures of different moments leave where something moves."""

from __future__ import annotations

import numpy as np

MOVING = 12
"""Grey levels from one frame to the next by which a pixel moves."""
TEETH = 54
"""Grey levels, of `_teeth`, from which a pixel is a part of a comb."""
ENOUGH = 200
"""Moving pixels below which a picture tells nothing."""


def combed(before: np.ndarray, picture: np.ndarray, box: np.ndarray) -> float | None:
    """How much of what moves around the face is combs.

    Args:
        before, picture: uint8 RGB [H, W, 3], two frames.
        box: of the face, x0, y0, x1, y1 px.

    Returns:
        Share of the moving pixels, less that of columns, which no interlacing combs; None where hardly any moves.
    """
    height, width = picture.shape[:2]
    across, down = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    x0, x1 = (int(np.clip(x, 0, width)) for x in (box[0] - across, box[2] + across))
    y0, y1 = (int(np.clip(y, 0, height)) for y in (box[1] - down, box[3] + down))
    now, then = (frame[y0:y1, x0:x1, 1].astype(np.int16) for frame in (picture, before))
    moving = np.abs(now - then) > MOVING
    count = int(moving.sum())
    if count < ENOUGH or min(now.shape) < 8:
        return None
    rows = int((_teeth(now) & moving).sum())
    columns = int((_teeth(now.T).T & moving).sum())
    return (rows - columns) / count


def _teeth(grey: np.ndarray) -> np.ndarray:
    """Where rows of int16 [H, W] alternate over five rows: both neighbours differ one way, the next but one do not."""
    found = np.zeros(grey.shape, bool)
    middle, up, down = grey[2:-2], grey[1:-3], grey[3:-1]
    one_way = ((middle > up) & (middle > down)) | ((middle < up) & (middle < down))
    found[2:-2] = one_way & (np.abs(4 * middle + grey[:-4] + grey[4:] - 3 * (up + down)) > TEETH)
    return found
