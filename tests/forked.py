"""Real command lines in processes forked from one that has imported what they need, under limits, watched from outside.

A fork costs a hundredth of the import, and what a command breaks (memory, open files, a crash) ends with its process.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType

SECONDS = 20.0
"""Of computing that a command may take."""
PATIENCE = 3
"""How many times as long it may take by the clock: machines have other work."""
MEMORY = 2 << 30
"""Bytes of memory that it may have in use."""
_GUARD = 6 << 30
"""Bytes of address space beyond what a command begins with: spares the machine what is over MEMORY."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit code; negative: the signal that killed it."""
    seconds: float
    """Of computing."""
    peak: int
    """Bytes of memory that it had in use at most, with all that was imported."""
    said: str
    """On standard error."""
    late: bool
    """Whether it was stopped because it took too long; `said` ends with where it was."""


def fault(ended: Ended) -> str | None:
    """What is wrong with the way a command ended: it should end well, or with code 2 and one line that says why."""
    if ended.late or ended.seconds > SECONDS:
        return f"took {ended.seconds:.0f} s" + " and had not ended" * ended.late
    if ended.code < 0:
        return f"died of {signal.Signals(-ended.code).name}"
    if ended.peak > MEMORY:
        return f"used {ended.peak / 2**30:.2f} GiB"
    if "has not enough memory" in ended.said:
        return f"wanted more than {_GUARD >> 30} GiB"
    if "Traceback" in ended.said:
        return "a traceback"
    errors = sum(line.startswith("error: ") for line in ended.said.splitlines())
    if ended.code == 0:
        return "an error, and exit code 0" if errors else None
    if ended.code != 2:
        return f"exit code {ended.code}"
    if errors != 1 or not ended.said.splitlines()[-1].startswith("error: "):
        return "exit code 2 without one line at the end that says why"
    return None


class Forked:
    """Runs `geneface`, `audio-motion`, or a function.

    Example:
        with Forked() as commands:
            ended = commands.run(folder, "audio-motion", "track", "a.mp4", "a.npz")
    """

    def __enter__(self) -> Forked:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(
        self,
        folder: Path,
        *words: object,
        file_size: int | None = None,
        user: int | None = None,
    ) -> Ended:
        """Run a command to its end, or for PATIENCE x SECONDS.

        Args:
            folder: where it runs.
            words: the program, `geneface` or `audio-motion`, or a function as `module:name`; and its arguments.
            file_size: bytes that a file may become: as where the disk is full.
            user: number of another user to run it as; root only.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"folder": str(folder), "words": [os.fsdecode(str(word)) for word in words]}
        self._process.stdin.write(json.dumps({**job, "file_size": file_size, "user": user}) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


PROGRAMS = {"geneface": "geneface_ns.commands.cli:main", "audio-motion": "audio_motion.cli:main"}


def _imported(name: str) -> Callable:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _obey(job: dict) -> None:
    """In the forked process: run the command under its limits."""
    from audio_motion.ending import ends_in_one_line

    os.chdir(job["folder"])
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _GUARD, used + _GUARD))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if job["file_size"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"], job["file_size"]))
    if job["user"] is not None:
        os.setgroups([])
        os.setgid(job["user"])
        os.setuid(job["user"])
        os.environ["HOME"] = job["folder"]
    program, *arguments = sys.argv = job["words"]
    if program in PROGRAMS:
        _imported(PROGRAMS[program])()
    else:
        with ends_in_one_line():
            _imported(program)(*arguments)


def _watched(child: int, pipe: int) -> tuple[int, resource.struct_rusage, bytes, bool]:
    """Read what a process says until it has ended or is stopped."""
    said, late, deadline = b"", False, time.monotonic() + PATIENCE * SECONDS
    while True:
        readable, _, _ = select.select([pipe], [], [], 0.02)
        piece = os.read(pipe, 1 << 16) if readable else b""
        said += piece
        if piece:
            continue
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage, said, late
        if readable:
            time.sleep(0.002)  # it has closed its standard error
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL if late else signal.SIGABRT)  # the first tells where it is
            late, deadline = True, time.monotonic() + 2.0


def _serve() -> None:
    """Run the commands that are asked for on standard input, one a line."""
    from numba.core.registry import cpu_target

    for name in (
        *("audio_motion.commands", "audio_motion.tracking", "audio_motion.training.postnet", "audio_motion.predict"),
        *("audio_motion.corpus.make", "audio_motion.training.generator", "audio_motion.evaluation.evaluate"),
        *("geneface_ns.commands.render", "geneface_ns.commands.evaluate", "geneface_ns.commands.process"),
        *("geneface_ns.capture.process", "geneface_ns.evaluation.evaluate", "geneface_ns.output.drive"),
        *("geneface_ns.motion.speech", "geneface_ns.motion.trajectory", "geneface_ns.renderers.reference"),
        *(
            "encodings.cp437",
            "mediapipe",
            "lightning.fabric",
            "matplotlib.pyplot",
            "tensorboard",
            "torch.utils.tensorboard",
            "tyro",
        ),
    ):
        import_module(name)
    for context in (cpu_target.typing_context, cpu_target.target_context):  # numba's, which kernels need to be loaded
        context.refresh()
    answers = os.fdopen(os.dup(1), "w")
    gc.freeze()  # collections in the forked processes need not touch, and so copy, what is imported
    for line in sys.stdin:
        job = json.loads(line)
        pipe, end = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                os.dup2(end, 2)
                os.close(pipe)
                os.close(end)
                # Fresh ones: what the old ones know of their files is no longer so.
                sys.stdout, sys.stderr = (os.fdopen(handle, "w", 1, closefd=False) for handle in (1, 2))
                faulthandler.enable(all_threads=False)
                _obey(job)
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(end)
        code, usage, said, late = _watched(child, pipe)
        os.close(pipe)
        seconds = usage.ru_utime + usage.ru_stime
        known = Ended(code, seconds, usage.ru_maxrss * 1024, said.decode(errors="replace"), late)
        answers.write(json.dumps(asdict(known)) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
