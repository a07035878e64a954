"""Other commands as steps of one: what they say goes into a log, and they end with the command that called them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from audio_motion.ending import INTERRUPTED
from audio_motion.errors import InputError
from audio_motion.parallel.leash import leashed

LOOK_SECONDS = 0.5
"""Between two looks at how far a command is."""


def run(program: str | Path, *arguments: object, log: Path, tick: Callable[[str], None]) -> None:
    """Run a command to its end.

    Args:
        program: path of a Python script, or the name of a module.
        log: file to which all is appended that the command says.
        tick: called now and then with what it has said lately.

    Raises:
        InputError: it failed; the message is the last line that it said.
        KeyboardInterrupt: it was interrupted.
    """
    with log.open("ab") as said:
        said.write(f"$ {Path(program).name} {' '.join(map(str, arguments))}\n".encode(errors="backslashreplace"))
        said.flush()
        command = leashed(program, *arguments)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment)
        try:
            while (code := _wait(process)) is None:
                tick(_lately(log))
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        lines = [line.strip() for line in _lately(log).splitlines() if line.strip()]
        told = lines[-1].removeprefix("error: ") if lines else ""
        if code == 2 and told:
            raise InputError(told)
        raise InputError(f"{Path(program).name} failed (exit code {code}: {told}); see {log}")


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _lately(log: Path) -> str:
    """The end of a log."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        return file.read().decode(errors="replace")
