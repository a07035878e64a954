"""The work on many clips at once: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from audio_motion.corpus.clip import ClipWork
from audio_motion.corpus.work import work_in_a_worker
from audio_motion.parallel import Died, Outcome, each


def each_clip(
    todo: Sequence[ClipWork], output: Path, workers: int | None, address: str | None
) -> Generator[Outcome, None, None]:
    """Work on all clips; yields what became of each, as they end. All workers end when the iterator is closed.

    Args:
        output: the corpus's folder, under the same path on every machine.
        workers, address: see `audio_motion.parallel.each`.

    Raises:
        InputError: no cluster at that address, or it has gone.
    """
    tasks = [(work, output) for work in todo]
    with closing(each(work_in_a_worker, tasks, workers, address)) as found:
        for (work, _), outcome in found:
            yield Outcome(work.source.name, "failed", reason=outcome.reason) if isinstance(outcome, Died) else outcome
