"""How a command ends, whatever ends it: at most one line, no traceback. Imports nothing heavy, so that it is in place
before anything else is imported."""

from __future__ import annotations

import atexit
import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Any, NoReturn

from audio_motion.errors import InputError, one_line

MISTAKE, INTERRUPTED, NOBODY_READS = 2, 128 + signal.SIGINT, 128 + signal.SIGPIPE
"""Exit codes: a user's mistake or what the system refuses; Ctrl-C and kills; a pipe that is closed. The last two are
what shells give to programs that end by the signal."""


@contextmanager
def ends_in_one_line() -> Iterator[None]:
    """Run a command inside; what ends it early becomes one line on standard error and an exit code.

    An InputError, and what the system refuses (a full disk, no permission, a name that is too long, no memory): code 2.
    Ctrl-C and `kill`, after the import that they come in: code 130. Where nobody reads the output any more, as in
    `| head`: no line, code 141. Only a fault of our own still shows its traceback.
    """
    for stream in (sys.stdout, sys.stderr):  # names of files need not be text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with _interruptible() as was_interrupted:
        try:
            try:
                yield
            finally:
                sys.stdout.flush()  # here, where its errors can be told, and not when Python ends
        except SystemExit as ended:
            if isinstance(ended.__context__, BrokenPipeError):  # rich's way to end where nobody reads
                raise SystemExit(NOBODY_READS) from None
            raise
        except BaseException as error:
            _end(error, was_interrupted())


def _end(error: BaseException, interrupted: bool) -> NoReturn:
    if interrupted or isinstance(error, KeyboardInterrupt):
        # Whatever came of it: libraries wrap what is raised while they are imported.
        said = str(error) if isinstance(error, KeyboardInterrupt) else ""
        code, line = INTERRUPTED, said or "interrupted; nothing half-written is left, run it again to go on"
        # Python that was once interrupted in the middle of code in C sends itself the signal when all is done.
        atexit.register(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGINT})
    elif isinstance(error, InputError):
        code, line = MISTAKE, f"error: {one_line(error)}"
    elif isinstance(error, BrokenPipeError) and (_closed(sys.stdout) or _closed(sys.stderr)):
        code, line = NOBODY_READS, ""
    elif (reason := _refused(error)) is not None:
        code, line = MISTAKE, f"error: {one_line(reason)}"
    else:
        raise error
    if line and os.environ.get("LOCAL_RANK", "0") == "0":  # one of the processes that train together speaks for all
        with suppress(OSError):
            print(line, file=sys.stderr)
    _silence(sys.stdout)
    raise SystemExit(code) from None


def _refused(error: BaseException) -> str | None:
    """What the system refuses, in words; None for a fault of our own."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if error.filename is not None:
            name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else error.filename
            advice = "free some space" if full else "give another file or folder, or make this one usable"
            return f"{name}: {error.strerror}; {advice}"
        if full:
            return f"cannot write: {error.strerror}; free some space"
    if isinstance(error, MemoryError):
        return "this machine has not enough memory for it; close other programs, or give something shorter or smaller"
    if isinstance(error, ImportError) and str(error).startswith("libGL.so"):
        return _opencv_wants_libgl()
    return None


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and `kill` raise KeyboardInterrupt inside; yields what tells afterwards whether one came.

    A second one ends the process.

    While a module is imported they wait until it is: C++ that sets itself up (torch's) aborts the process if it is
    interrupted.
    """
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise_after_imports(number, frame)

    def raise_after_imports(number: int, frame: FrameType | None) -> None:
        if hasattr(signal, "setitimer") and _importing(frame):
            signal.signal(signal.SIGALRM, raise_after_imports)
            signal.setitimer(signal.ITIMER_REAL, 0.02)
        else:
            raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and background jobs have it
                before[number] = signal.signal(number, interrupt)

    def interrupted() -> bool:
        if came and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0.0)  # what it waits for has ended
        return came

    try:
        yield interrupted
    finally:
        interrupted()
        if not came:
            for number, handler in before.items():
                signal.signal(number, handler)


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported where the frame is."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _closed(stream: IO[str]) -> bool:
    """Whether the other end of a pipe has been closed."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


def _silence(stream: IO[str]) -> None:
    """What is still in the stream goes nowhere if it cannot go where it should."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _opencv_wants_libgl() -> str:
    # Three wheels of OpenCV arrive through the dependencies and write the same files; pip installs one with windows,
    # which needs libGL, last. Metadata cannot name an order, nor one wheel in the place of another.
    from importlib.metadata import version

    headless = f"opencv-python-headless=={version('opencv-python-headless')}"
    return (
        "OpenCV cannot be imported: this machine has no libGL; put the OpenCV that needs none in place: "
        f"pip install --force-reinstall --no-deps {headless}"
    )
