"""How the layers of a picture lie over each other."""

from __future__ import annotations

from torch import Tensor


def lay_over(head: Tensor, opacity: Tensor, underlay: Tensor) -> Tensor:
    """The head over what lies behind it, and under what lies before it.

    The neck moves with the head and the collar with the body: where the collar covers the neck, no rigid head can
    follow its edge, so the torso may cover the head.

    Args:
        head: [..., 3] premultiplied colour; opacity: [..., 1].
        underlay: [..., 4] colour, and how much of it lies before the head.

    Returns:
        [..., 3].
    """
    visible = 1 - underlay[..., 3:]
    return visible * head + (1 - visible * opacity) * underlay[..., :3]
