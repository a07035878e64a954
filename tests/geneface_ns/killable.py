"""Real command lines in processes that are killed, as by `kill -9`, while they write.

As a program it imports what the commands need once, then runs each in a process forked from itself, so that a kill
costs no import. A moment is a file operation below a folder and the seconds since: that hits what lies between two
operations as well as what is being written.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit code; -9 where it was killed."""
    operations: list[float]
    """Seconds since its start of its operations on files below the folder."""
    printed: str


class Killable:
    """Runs `geneface` and `ns-train`.

    Example:
        with Killable() as commands:
            whole = commands.run(folder, "geneface", "process", "a.mp4", "a")
            commands.run(folder, "geneface", "process", "a.mp4", "b", kill_at=3, after=0.01)
    """

    def __enter__(self) -> Killable:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, folder: Path, *words: object, kill_at: int | None = None, after: float = 0.0) -> Ended:
        """Run a command to its end, or kill it `after` seconds from operation number `kill_at` below `folder`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"folder": str(folder), "words": [str(word) for word in words], "kill_at": kill_at, "after": after}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


WRITES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}


def command(job: dict, notes: Path) -> None:
    """In the forked process: note the operations on files, and die when it is time."""
    words, folder, began = job["words"], job["folder"], time.monotonic()
    done = 0
    log = open(notes, "w", buffering=1)  # noqa: SIM115 - open until the process ends

    def watch(event: str, arguments: tuple) -> None:
        nonlocal done
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & (os.O_WRONLY | os.O_RDWR):
                return
        elif event not in WRITES:
            return
        # rmtree names what it removes relatively to a folder that is open.
        relative = event in ("os.remove", "os.rmdir") and arguments[1] != -1
        if not (relative or str(arguments[0]).startswith(folder)):
            return
        log.write(f"{time.monotonic() - began}\n")
        if done == job["kill_at"]:
            threading.Timer(job["after"], os.kill, (os.getpid(), signal.SIGKILL)).start()
        done += 1

    sys.addaudithook(watch)
    sys.argv = words
    if words[0] == "ns-train":
        from nerfstudio.scripts.train import entrypoint as main
    else:
        from geneface_ns.commands.cli import main
    main()


def serve() -> None:
    """Run the commands that are asked for on standard input, one a line."""
    import nerfstudio.scripts.train  # noqa: F401

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        job = json.loads(line)
        notes, printed = (Path(f"{job['folder']}", "..", name).resolve() for name in ("operations", "printed"))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                handle = os.open(printed, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
                os.dup2(handle, 1)
                os.dup2(handle, 2)
                command(job, notes)
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        ended = Ended(
            os.waitstatus_to_exitcode(status),
            [float(second) for second in notes.read_text().split()],
            printed.read_text(errors="replace"),
        )
        answers.write(json.dumps(ended.__dict__) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
