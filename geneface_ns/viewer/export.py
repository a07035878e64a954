"""A performance as a video with its sound, as the browser shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from geneface_ns.output.video import VideoWriter
from geneface_ns.viewer.performance import Performance
from geneface_ns.viewer.picture import Look, paint
from geneface_ns.viewer.stage import Stage


def export(
    stage: Stage,
    performance: Performance,
    look: Look,
    path: Path,
    stop: threading.Event,
    progress: Callable[[float], None],
) -> bool:
    """Write a performance to a video file; its frames must all be known.

    Args:
        look: of every frame.
        path: .mp4.
        stop: ends it, and leaves no file.
        progress: called with the part that is done.

    Returns:
        Whether it was not stopped.

    Raises:
        InputError: the file cannot be written.
    """

    class Stopped(Exception):
        pass

    with stage.turn:
        first = paint(stage.renderer, stage.person, performance, 0, look)
    size = first.shape[1], first.shape[0]
    try:
        with VideoWriter(path, size, performance.fps, performance.sound.path) as writer:
            for index in range(performance.total):
                if stop.is_set():
                    raise Stopped
                with stage.turn:
                    picture = paint(stage.renderer, stage.person, performance, index, look)
                writer.write(picture)
                progress((index + 1) / performance.total)
    except Stopped:
        return False
    return True
