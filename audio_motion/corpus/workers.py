"""The work on many clips at once: in processes of this machine, or on Ray."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from audio_motion.corpus.clip import ClipWork
from audio_motion.corpus.on_ray import RayDied, on_ray
from audio_motion.corpus.outcome import Outcome
from audio_motion.corpus.processes import cores, in_processes
from audio_motion.errors import InputError

MANY = 50
"""Clips from which Ray is started where nothing is said of it."""


def each_clip(
    todo: Sequence[ClipWork], output: Path, workers: int | None, address: str | None, say: Callable[[str], None]
) -> Generator[Outcome, None, None]:
    """Work on all clips; yields what became of each, as they end. All workers end when the iterator is closed.

    Args:
        output: the corpus's folder, under the same path on every machine.
        workers: clips at once; all of the machine's or cluster's cores if None.
        address: of a running Ray cluster; "local" starts Ray on this machine. None does so where there are many clips
            and several workers, and needs no Ray for less.
        say: told, in a line, that Ray does not work here and is done without.

    Raises:
        InputError: no cluster at that address, or it has gone.
    """
    if address is None and (len(todo) < MANY or (workers or cores()) == 1):
        yield from in_processes(todo, output, workers)
        return
    left = {work.source.name: work for work in todo}
    try:
        with closing(on_ray(todo, output, workers, address or "local")) as outcomes:
            for outcome in outcomes:
                left.pop(outcome.name, None)
                yield outcome
    except RayDied as error:
        if address not in (None, "local"):
            raise InputError(f"Ray at {address} {error}; `ray status` shows whether it runs") from error
        say(f"Ray {error}: worked on without it")
        yield from in_processes(list(left.values()), output, workers)
