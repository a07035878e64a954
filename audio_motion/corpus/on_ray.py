"""The work on many clips on Ray: one task a clip, on this machine or on a cluster.

Ray runs in a child process. It ends the process that uses it when it loses what it started, leaves that behind when a
start fails, changes what signals do, and takes its settings from the environment while it is imported: all of it stays
in there.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_motion.corpus.child import ONE_THREAD, Child, how_it_ended, kill, start
from audio_motion.corpus.outcome import Outcome
from audio_motion.corpus.processes import CALLS, TRIES
from audio_motion.errors import InputError, one_line

if TYPE_CHECKING:
    from audio_motion.corpus.clip import ClipWork

OBJECT_STORE = 100_000_000
"""Bytes of shared memory for Ray: results go to files, so hardly any is needed."""
STARTS = 2
"""How often a start on this machine is tried."""
START_SECONDS = 90.0
"""Longest wait for one start, which takes about 10 s where the machine has nothing else to do."""
LOCAL = {
    # On a busy machine Ray fails because its raylet waits 15 s for another process, then ends. Nothing sets that
    # (https://github.com/ray-project/ray/issues/65983), so to wait longer for the raylet only delays the next try.
    "RAY_raylet_start_wait_time_s": "20",
    # Ray takes 127.0.0.1 for the address under which other machines reach this one, unless it is told, by a switch made
    # for other systems, that there are no others.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}
"""Environment of Ray on this machine."""


class RayDied(Exception):
    """Ray could not be started or reached, or has gone; says how in a few words."""


def on_ray(todo: Sequence[ClipWork], output: Path, workers: int | None, address: str) -> Generator[Outcome, None, None]:
    """Work on all clips; yields what became of each, as they end. Ray is left when the iterator is closed.

    Args:
        output: the corpus's folder, under the same path on every machine.
        workers: clips at once; all of the machine's or cluster's cores if None.
        address: of a running cluster; "local" starts Ray on this machine, where nobody else reaches it.

    Raises:
        InputError: nobody answers at that address.
        RayDied: Ray cannot be started or used, or has ended before the work has.
    """
    _reach(address)
    driver = _started((todo, output, workers, address), STARTS if address == "local" else 1)
    try:
        while (outcome := driver.pipe.recv()) is not None:
            yield outcome
        how_it_ended(driver)
    except (EOFError, OSError) as error:
        raise RayDied(f"has ended ({how_it_ended(driver)})") from error
    finally:
        kill(driver)


def _started(job: tuple[Sequence[ClipWork], Path, int | None, str], tries: int) -> Child:
    """The process that does the job on Ray, once Ray is there. Raises RayDied."""
    why = ""
    for _ in range(tries):
        driver = start(drive, _environment(job[-1]))
        try:
            driver.pipe.send(job)
            why = f"no answer in {START_SECONDS:g} s"
            if driver.pipe.poll(START_SECONDS) and not (why := driver.pipe.recv()):
                return driver
        except (EOFError, OSError):
            why = how_it_ended(driver)
        except BaseException:
            kill(driver)
            raise
        kill(driver)
    raise RayDied(f"cannot be used ({why})")


def _environment(address: str) -> dict[str, str]:
    """Of the process that uses Ray; what Ray starts on this machine has it too."""
    always = {
        **ONE_THREAD,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of its own default
    }
    if address != "local":
        return always
    return {**always, **LOCAL, "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _reach(address: str) -> None:
    """Raises InputError where nobody answers: Ray would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # "local", "auto", or what Ray alone understands
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except OSError as error:
        raise InputError(f"no Ray cluster answers at {address} ({error}); `ray status` shows where it is") from error


def drive(pipe: Connection) -> None:
    """In the process that uses Ray: answers why it cannot, or "", then the outcomes, then None."""
    todo, output, workers, address = pipe.recv()
    try:
        ray = _init(workers, address)
    except Exception as error:
        pipe.send(one_line(error) or "?")
        return
    pipe.send("")
    # One more than there are cores, so that no core waits for this loop; Ray holds it back.
    at_once = workers if workers and address != "local" else int(ray.cluster_resources().get("CPU", 1)) + 1
    for outcome in _outcomes(ray, todo, output, at_once):
        pipe.send(outcome)
    ray.shutdown()
    pipe.send(None)


def _init(workers: int | None, address: str) -> Any:
    import ray

    if address == "local":
        ray.init(
            "local",
            num_cpus=workers,
            num_gpus=0,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            _node_ip_address="127.0.0.1",
        )
    else:
        ray.init(address, runtime_env={"env_vars": ONE_THREAD})
    return ray


def _outcomes(ray: Any, todo: Sequence[ClipWork], output: Path, at_once: int) -> Iterator[Outcome]:
    from audio_motion.corpus.work import work_in_a_worker

    task = ray.remote(num_cpus=1, max_retries=TRIES - 1, max_calls=CALLS)(work_in_a_worker)
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
