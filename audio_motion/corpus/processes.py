"""The work on many clips in processes of this machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from audio_motion.corpus.child import ONE_THREAD, Child, how_it_ended, kill, start
from audio_motion.corpus.outcome import Outcome

if TYPE_CHECKING:
    from audio_motion.corpus.clip import ClipWork

CALLS = 100
"""Clips after which a worker is started afresh: what decoders and detectors leak stays bounded."""
TRIES = 2
"""How often a clip is tried whose worker dies, as one does that a decoder crashes or that finds no memory."""


def in_processes(todo: Sequence[ClipWork], output: Path, workers: int | None) -> Generator[Outcome, None, None]:
    """Work on all clips; yields what became of each, as they end. The workers end with the iterator.

    Args:
        output: the corpus's folder.
        workers: clips at once; one a core if None.
    """
    workers = workers or cores()
    waiting = [(work, 1) for work in reversed(todo)]
    children: dict[Connection, Child] = {}
    busy: dict[Connection, tuple[ClipWork, int]] = {}
    calls: Counter[Connection] = Counter()
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                pipe = next((pipe for pipe in children if pipe not in busy), None)
                if pipe is None:
                    child = start(serve, ONE_THREAD)
                    children[pipe := child.pipe] = child
                busy[pipe] = waiting.pop()
                with suppress(OSError):  # it has died, which is told below
                    pipe.send((busy[pipe][0], output))
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                work, tries = busy.pop(ready)
                try:
                    outcome = ready.recv()
                except (EOFError, OSError):
                    how = how_it_ended(children.pop(ready))
                    if tries < TRIES:
                        waiting.append((work, tries + 1))
                    else:
                        yield Outcome(work.source.name, "failed", reason=f"its worker died ({how})")
                    continue
                calls[ready] += 1
                if calls[ready] == CALLS:
                    kill(children.pop(ready))
                yield outcome
    finally:
        for child in children.values():
            kill(child)


def serve(pipe: Connection) -> None:
    """In a worker: work on what comes."""
    while True:
        work, output = pipe.recv()  # the first imports all that is heavy
        from audio_motion.corpus.work import work_in_a_worker

        pipe.send(work_in_a_worker(work, output))


def cores() -> int:
    """How many cores this process may use: of the machine, of its affinity, or a container's share."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no cgroup v2, or no limit ("max")
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        count = min(count, max(1, round(quota / period)))
    return count
