"""The work on many clips at once, on Ray: one task a clip, on this machine or on a cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from audio_motion.corpus.clip import ClipWork, Refused, make_clip
from audio_motion.corpus.store import Refusal, Store
from audio_motion.errors import InputError

ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
}
OBJECT_STORE = 100_000_000
"""Bytes of shared memory for Ray: results go to files, so hardly any is needed."""
CALLS = 100
"""Clips after which a worker is started afresh: what decoders and detectors leak stays bounded."""


@dataclass(frozen=True)
class Outcome:
    """What became of a clip."""

    name: str
    end: Literal["done", "refused", "failed", "unwritten"]
    """failed: an error of ours, so that the next run tries again; unwritten: its result could not be written."""
    seconds: float = 0.0
    """Of video."""
    reason: str = ""
    notes: tuple[str, ...] = ()
    """What was noticed while its video was opened."""


def work_on(work: ClipWork, output: Path) -> Outcome:
    """Make a clip, or refuse it, and write the result to the corpus's folder."""
    store, name = Store(output), work.source.name
    refusal: Refusal | None
    try:
        try:
            clip = make_clip(work)
        except Refused as refused:
            refusal = Refusal(name, refused.kind, str(refused))
        else:
            refusal = None
    except Exception as error:  # one clip must not stop the others
        return Outcome(name, "failed", reason=f"{type(error).__name__}: {error}")
    try:
        if refusal is not None:
            store.save_refusal(work.key, refusal)
            return Outcome(name, "refused", reason=refusal.reason)
        store.save_clip(clip)
    except InputError as error:
        return Outcome(name, "unwritten", reason=str(error))
    return Outcome(name, "done", seconds=clip.record.seconds, notes=clip.notes)


def each_clip(
    todo: Sequence[ClipWork], output: Path, workers: int | None, address: str | None
) -> Generator[Outcome, None, None]:
    """Work on all clips; yields what became of each, as they end. Ray is stopped when the iterator is closed.

    Args:
        output: the corpus's folder, under the same path on every machine.
        workers: clips at once; all of the machine's or cluster's cores if None.
        address: of a running cluster; None starts Ray on this machine.

    Raises:
        InputError: no cluster at that address.
    """
    ray = _start(workers, address)
    try:
        # One more than there are cores, so that no core waits for this loop; Ray holds it back.
        at_once = workers if workers and address else int(ray.cluster_resources().get("CPU", 1)) + 1
        task = ray.remote(num_cpus=1, max_retries=1, max_calls=CALLS)(_task)
        waiting = iter(todo)
        running: dict = {}
        while True:
            for work in waiting:
                running[task.remote(work, output)] = work.source.name
                if len(running) >= at_once:
                    break
            if not running:
                return
            ended, _ = ray.wait(list(running), num_returns=1)
            for reference in ended:
                name = running.pop(reference)
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayError as error:
                    yield Outcome(name, "failed", reason=f"its worker died ({type(error).__name__})")
    finally:
        ray.shutdown()


def _task(work: ClipWork, output: Path) -> Outcome:
    """`work_on` in a worker, which is one of as many as there are cores."""
    import cv2

    cv2.setNumThreads(1)  # all others follow ONE_THREAD
    return work_on(work, output)


def _reach(address: str) -> None:
    """Raises InputError where nobody answers: Ray would go on trying for minutes, and print it."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # "auto", or what Ray alone understands
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except OSError as error:
        raise InputError(f"no Ray cluster answers at {address} ({error}); `ray status` shows where it is") from error


def _start(workers: int | None, address: str | None) -> Any:
    if address:
        _reach(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of its own default
    import ray

    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": ONE_THREAD},
    }
    here: dict[str, Any] = {
        "num_cpus": workers,
        "num_gpus": 0,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE,
    }
    try:
        ray.init(address=address or "local", **common, **({} if address else here))
    except (ConnectionError, ValueError, RuntimeError) as error:
        what = f"reached at {address}" if address else "started on this machine"
        raise InputError(f"Ray cannot be {what}: {str(error).splitlines()[0]}") from error
    return ray
