"""Doing one thing to every frame on all cores, a bounded number at a time; and reading ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

AHEAD = 8
"""Frames read before they are asked for."""


def each_frame(frames: Iterable[int], work: Callable[[int], None], advance: Callable[[], None]) -> None:
    """Call `work(frame)` in threads (OpenCV and NumPy let go of the interpreter); the first error ends it all."""
    with ThreadPoolExecutor(max(1, min(8, os.cpu_count() or 1))) as pool:
        waiting: deque[Future[None]] = deque()
        try:
            for frame in frames:
                waiting.append(pool.submit(work, frame))
                if len(waiting) >= 32:
                    waiting.popleft().result()
                    advance()
            while waiting:
                waiting.popleft().result()
                advance()
        except BaseException:
            for future in waiting:
                future.cancel()
            raise


def read_ahead(frames: Iterable[int], read: Callable[[int], np.ndarray]) -> Iterator[np.ndarray]:
    """`read(frame)` of every frame in order, read in threads while the caller works on the one before."""
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[np.ndarray]] = deque()
        for frame in frames:
            waiting.append(pool.submit(read, frame))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
