"""The one exception for a user's mistake, and the one line that it becomes."""

from __future__ import annotations

import sys
from typing import NoReturn


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one line that says what is wrong, where (file, frame or second), and what to do about it. Command
    lines print it without a traceback and exit with code 2.
    """


class NotFinite(InputError, FloatingPointError):
    """A training has come to what is no number: through what it was given, or through its learning rate."""


def one_line(error: object) -> str:
    """What is said, in one line of what can be printed: names of files may hold anything, and so may other libraries'
    errors."""
    words = " ".join(str(error).split()) or type(error).__name__
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def fail(error: InputError) -> NoReturn:
    """Print the error's one line to standard error and exit with code 2."""
    print(f"error: {one_line(error)}", file=sys.stderr)
    raise SystemExit(2)
