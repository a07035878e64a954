"""What TensorBoard shows of a training."""

from __future__ import annotations

import io
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from audio_motion.files import unwritten


class Events:
    """A file of TensorBoard's, written at once: its own writer has a thread, which on a full disk dies on the screen.

    Tensorboard is imported only where it is used.

    Raises:
        InputError: (also by its methods) it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
        self._path, self._event = folder / name, Event
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._records = RecordWriter(self._path.open("ab"))
        except OSError as error:
            raise unwritten(self._path, error) from error
        self._add(file_version="brain.Event:2")

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *ended: object) -> None:
        with suppress(OSError):  # what could not be written has been told
            self._records.close()

    def log(self, step: int, figures: dict[str, float], frames: np.ndarray | None) -> None:
        """Scalars, and frames uint8 [T, H, W, 3] as an animated GIF, which TensorBoard plays."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        if frames is not None:
            height, width = frames.shape[1:3]
            image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=_gif(frames))
            values.append(Summary.Value(tag="motion", image=image))
        self._add(step=step, summary=Summary(value=values))

    def _add(self, **contents: Any) -> None:
        try:
            self._records.write(self._event(wall_time=time.time(), **contents).SerializeToString())
            self._records.flush()
        except OSError as error:
            raise unwritten(self._path, error) from error


def _gif(frames: np.ndarray) -> bytes:
    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in frames)
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=rest, duration=40, loop=0)
    return stream.getvalue()
