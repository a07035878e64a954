"""What TensorBoard shows of a training."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np


def open_writer(folder: Path) -> Any:
    """A SummaryWriter; tensorboard is imported only where it is used."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def log_figures(writer: Any, step: int, figures: dict[str, float], frames: np.ndarray | None) -> None:
    """Scalars, and frames uint8 [T, H, W, 3] as an animated GIF, which TensorBoard plays."""
    for name, value in figures.items():
        writer.add_scalar(name, value, step)
    if frames is None:
        return
    from tensorboard.compat.proto.summary_pb2 import Summary

    height, width = frames.shape[1:3]
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=_gif(frames))
    writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag="motion", image=image)]), step)


def _gif(frames: np.ndarray) -> bytes:
    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in frames)
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=rest, duration=40, loop=0)
    return stream.getvalue()
