"""Work on many things on a Ray cluster: one task each.

Ray runs in a child process. It ends the process that uses it when it loses the cluster, changes what signals do, and
takes its settings from the environment while it is imported: all of it stays in there.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

from audio_motion.errors import InputError, one_line
from audio_motion.parallel.child import Died, how_it_ended, kill, start, threads_of
from audio_motion.parallel.processes import CALLS, TRIES

START_SECONDS = 90.0
"""Longest wait for the cluster to take this machine in, which takes seconds where it has nothing else to do."""
ENVIRONMENT = {
    **threads_of(1),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of its own default
}
"""Of the process that uses Ray."""


def on_ray(
    work: Callable[[Any], Any], todo: Sequence[Any], workers: int | None, address: str
) -> Generator[tuple[int, Any], None, None]:
    """Work on all things; yields the number and the result of each, as they end. Ray is left when the iterator is
    closed.

    Args:
        work, todo: see `each`.
        workers: things at once; all of the cluster's cores if None.
        address: of a running cluster.

    Raises:
        InputError: no Ray, nobody answers at that address, or the cluster has gone before the work has ended.
    """
    _reach(address)
    driver = start(drive, ENVIRONMENT)
    try:
        driver.pipe.send((work, todo, workers, address))
        why: str | None = f"no answer in {START_SECONDS:g} s"
        if driver.pipe.poll(START_SECONDS):
            why = driver.pipe.recv()
        if why:
            raise InputError(f"Ray at {address} cannot be used ({why}); `ray status` shows whether it runs")
        while (found := driver.pipe.recv()) is not None:
            yield found
        how_it_ended(driver)
    except (EOFError, OSError) as error:
        how = how_it_ended(driver)
        raise InputError(
            f"Ray at {address} has ended ({how}); `ray status` shows whether it runs, and the same command goes on"
        ) from error
    finally:
        kill(driver)


def _reach(address: str) -> None:
    """Raises InputError where Ray is not installed, or nobody answers: it would go on trying for minutes."""
    if address == "local":
        raise InputError('--ray-address "local": one machine needs no Ray; leave it out')
    if find_spec("ray") is None:
        raise InputError(f"--ray-address {address}: Ray is not installed; run pip install 'ray>=2.52'")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # "auto", or what Ray alone understands
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except OSError as error:
        raise InputError(f"no Ray cluster answers at {address} ({error}); `ray status` shows where it is") from error


def drive(pipe: Connection) -> None:
    """In the process that uses Ray: answers why it cannot, or "", then numbers and results, then None."""
    work, todo, workers, address = pipe.recv()
    try:
        ray = _init(address)
    except Exception as error:
        pipe.send(one_line(error) or "?")
        return
    pipe.send("")
    # One more than there are cores, so that no core waits for this loop; Ray holds it back.
    at_once = workers or int(ray.cluster_resources().get("CPU", 1)) + 1
    for found in _results(ray, work, todo, at_once):
        pipe.send(found)
    ray.shutdown()
    pipe.send(None)


def _init(address: str) -> Any:
    import ray

    ray.init(address, runtime_env={"env_vars": threads_of(1)})
    return ray


def _results(ray: Any, work: Callable, todo: Sequence[Any], at_once: int) -> Iterator[tuple[int, Any]]:
    remote = ray.remote(num_cpus=1, max_retries=TRIES - 1, max_calls=CALLS)(work)
    waiting = iter(enumerate(todo))
    running: dict = {}
    while True:
        for number, task in waiting:
            running[remote.remote(task)] = number
            if len(running) >= at_once:
                break
        if not running:
            return
        ended, _ = ray.wait(list(running), num_returns=1)
        for reference in ended:
            number = running.pop(reference)
            try:
                yield number, ray.get(reference)
            except ray.exceptions.RayError as error:
                yield number, Died(f"its worker died ({type(error).__name__})")
