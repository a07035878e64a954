"""How the layers of a picture lie over each other."""

from __future__ import annotations

import torch
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


def person_over_nothing(head: Tensor, opacity: Tensor, torso: Tensor, before_head: Tensor) -> Tensor:
    """Head and torso without what lies behind them: `lay_over` with the background left out.

    Args:
        head: [..., 3] premultiplied colour; opacity: [..., 1].
        torso: [..., 4] premultiplied colour and opacity.
        before_head: [..., 1] how much of the torso lies before the head.

    Returns:
        [..., 4] premultiplied colour and opacity; over the background itself it gives what `lay_over` gives.
    """
    visible = 1 - before_head
    return visible * torch.cat([head, opacity], dim=-1) + (1 - visible * opacity) * torso
