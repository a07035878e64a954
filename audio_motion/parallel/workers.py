"""The same work on many things at once: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TypeVar

from audio_motion.parallel.child import Died
from audio_motion.parallel.on_ray import on_ray
from audio_motion.parallel.processes import in_processes

T = TypeVar("T")
R = TypeVar("R")


def each(
    work: Callable[[T], R], todo: Sequence[T], workers: int | None, address: str | None, threads: int = 1
) -> Generator[tuple[T, R | Died], None, None]:
    """Work on all things; yields each with its result, as they end. All workers end when the iterator is closed.

    On one machine Ray would add ports that listen and a start of 10 s, which fails where the machine is busy.

    Args:
        work: a function of a module, which raises nothing; what it takes and gives can be pickled.
        todo: what to work on.
        workers: things at once; all of the machine's or cluster's cores if None.
        address: of a running Ray cluster; None works on this machine, without Ray.
        threads: of each worker on this machine; on a cluster each has one.

    Raises:
        InputError: no cluster at that address, or it has gone.
    """
    found = in_processes(work, todo, workers, threads) if address is None else on_ray(work, todo, workers, address)
    with closing(found):
        for number, result in found:
            yield todo[number], result
