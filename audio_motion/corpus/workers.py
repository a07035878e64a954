"""The work on many clips at once: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from audio_motion.corpus.clip import ClipWork
from audio_motion.corpus.on_ray import on_ray
from audio_motion.corpus.outcome import Outcome
from audio_motion.corpus.processes import in_processes


def each_clip(
    todo: Sequence[ClipWork], output: Path, workers: int | None, address: str | None
) -> Generator[Outcome, None, None]:
    """Work on all clips; yields what became of each, as they end. All workers end when the iterator is closed.

    On one machine Ray would add ports that listen and a start of 10 s, which fails where the machine is busy.

    Args:
        output: the corpus's folder, under the same path on every machine.
        workers: clips at once; all of the machine's or cluster's cores if None.
        address: of a running Ray cluster; None works on this machine, without Ray.

    Raises:
        InputError: no cluster at that address, or it has gone.
    """
    if address is None:
        yield from in_processes(todo, output, workers)
    else:
        yield from on_ray(todo, output, workers, address)
