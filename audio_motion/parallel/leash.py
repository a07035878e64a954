"""`python -m audio_motion.parallel.leash PROGRAM ARGUMENTS…`: run a program that ends when its parent does, however
that ends: a command killed with `kill -9` leaves none behind that still writes."""

from __future__ import annotations

import runpy
import sys
import threading
from pathlib import Path

from audio_motion.parallel.child import end_with_the_parent


def leashed(program: str | Path, *arguments: object) -> list[str]:
    """The command line of a program on a leash; its standard input must be a pipe that the parent holds.

    Args:
        program: path of a Python script, or the name of a module.
    """
    return [sys.executable, "-m", "audio_motion.parallel.leash", str(program), *map(str, arguments)]


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    if Path(sys.argv[0]).is_file():
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
