"""The one exception for a user's mistake, and how command lines end on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
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
    """Turn an InputError raised inside into one line on standard error and exit code 2; an OpenCV that cannot be
    imported as well."""
    try:
        yield
    except InputError as error:
        fail(error)
    except ImportError as error:
        if not str(error).startswith("libGL.so"):
            raise
        fail(InputError(_opencv_wants_libgl()))


def _opencv_wants_libgl() -> str:
    # Three wheels of OpenCV arrive through the dependencies and write the same files; pip installs one with windows,
    # which needs libGL, last. Metadata cannot name an order, nor one wheel in the place of another.
    headless = f"opencv-python-headless=={version('opencv-python-headless')}"
    return (
        "OpenCV cannot be imported: this machine has no libGL; put the OpenCV that needs none in place: "
        f"pip install --force-reinstall --no-deps {headless}"
    )
