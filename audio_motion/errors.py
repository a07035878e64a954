"""The one exception for a user's mistake, and how command lines end on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one line that says what is wrong, where (file, frame or second), and what to do about it. Command
    lines print it without a traceback and exit with code 2.
    """


def fail(error: InputError) -> NoReturn:
    """Print the error's one line to standard error and exit with code 2."""
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2)


@contextmanager
def exits_on_input_error() -> Iterator[None]:
    """Turn an InputError raised inside into one line on standard error and exit code 2."""
    try:
        yield
    except InputError as error:
        fail(error)
