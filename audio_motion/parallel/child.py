"""Child processes that answer through a pipe, end when their parent does, however it ends, and print nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NamedTuple

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def threads_of(count: int) -> dict[str, str]:
    """Environment of a process that may use so many cores."""
    return {name: str(count) for name in _THREADS}


class Died(NamedTuple):
    """In place of a result: every worker that tried to get it died."""

    reason: str


@dataclass(frozen=True)
class Child:
    """A process, and the parent's end of its pipe."""

    process: subprocess.Popen[bytes]
    pipe: Connection


def start(serve: Callable[[Connection], None], environment: Mapping[str, str]) -> Child:
    """Call `serve` with the other end of the pipe in a fresh process, which ends when that returns.

    Not by `multiprocessing`: it would import the parent's script anew, and set no environment.

    Args:
        serve: a function of a module. Importing that should cost little; what is heavy it imports itself.
        environment: set there, besides what is set here.
    """
    ours, theirs = Pipe()
    call = f"run({serve.__module__!r}, {serve.__name__!r}, {theirs.fileno()})"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import run; {call}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        env={**os.environ, **environment},
    )
    theirs.close()
    return Child(process, ours)


def run(module: str, serve: str, pipe: int) -> None:
    """In the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too; its parent decides
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    with Connection(pipe) as connection:
        getattr(import_module(module), serve)(connection)


def kill(child: Child) -> None:
    """End a child at once. One that has ended may be killed."""
    child.process.kill()
    how_it_ended(child)


def how_it_ended(child: Child) -> str:
    """In a word or two, of one whose end of the pipe is closed; it is killed where that is not its end."""
    child.pipe.close()
    try:
        code = child.process.wait(10.0)
    except subprocess.TimeoutExpired:
        child.process.kill()
        code = child.process.wait()
    assert child.process.stdin is not None
    with suppress(OSError):
        child.process.stdin.close()
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def end_with_the_parent() -> None:
    """End this process when the pipe that is its standard input closes."""
    os.read(0, 1)  # nobody writes there: it returns when the parent is gone
    os._exit(1)
