"""Work on many things in processes of this machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from audio_motion.parallel.child import Child, Died, how_it_ended, kill, start, threads_of

CALLS = 100
"""Things after which a worker is started afresh: what decoders and detectors leak stays bounded."""
TRIES = 2
"""How often a thing is tried whose worker dies, as one does that a decoder crashes or that finds no memory."""


def in_processes(
    work: Callable[[Any], Any], todo: Sequence[Any], workers: int | None, threads: int = 1
) -> Generator[tuple[int, Any], None, None]:
    """Work on all things; yields the number and the result of each, as they end. The workers end with the iterator.

    Args:
        work, todo: see `each`.
        workers: things at once; one a core if None.
        threads: of each worker.
    """
    workers = workers or cores()
    waiting = [(number, 1) for number in reversed(range(len(todo)))]
    children: dict[Connection, Child] = {}
    busy: dict[Connection, tuple[int, int]] = {}
    calls: Counter[Connection] = Counter()
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                pipe = next((pipe for pipe in children if pipe not in busy), None)
                if pipe is None:
                    child = start(serve, threads_of(threads))
                    children[pipe := child.pipe] = child
                busy[pipe] = waiting.pop()
                with suppress(OSError):  # it has died, which is told below
                    pipe.send((work, todo[busy[pipe][0]]))
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                number, tries = busy.pop(ready)
                try:
                    result = ready.recv()
                except (EOFError, OSError):
                    how = how_it_ended(children.pop(ready))
                    if tries < TRIES:
                        waiting.append((number, tries + 1))
                    else:
                        yield number, Died(f"its worker died ({how})")
                    continue
                calls[ready] += 1
                if calls[ready] == CALLS:
                    kill(children.pop(ready))
                yield number, result
    finally:
        for child in children.values():
            kill(child)


def serve(pipe: Connection) -> None:
    """In a worker: work on what comes."""
    while True:
        work, task = pipe.recv()  # the first imports all that is heavy
        pipe.send(work(task))


def cores() -> int:
    """How many cores this process may use: of the machine, of its affinity, or a container's share."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no cgroup v2, or no limit ("max")
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        count = min(count, max(1, round(quota / period)))
    return count
