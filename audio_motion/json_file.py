"""JSON from files that anybody may have written: numbers that are numbers, one value a name, no deep nesting."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from audio_motion.errors import InputError, one_line
from audio_motion.files import need_file

_DIGITS = 20
"""Of a whole number: longer ones are none of ours, and overflow whatever they are turned into."""


def parse(text: str | bytes) -> Any:
    """JSON as builtin values.

    Raises:
        ValueError: no JSON; NaN, an infinity or a huge whole number; a name twice in one object; or nested too deep.
            One line.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_int=_moderate)
        if bad := _not_finite([found]):
            raise ValueError(bad.removeprefix("[0]").removeprefix("."))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return found


def read_json(path: Path, advice: str) -> dict[str, Any]:
    """The object in a file.

    Args:
        advice: what to do about a file that cannot be used, for the message.

    Raises:
        InputError: no such file, no JSON (see `parse`), or no object.
    """
    need_file(path, advice)
    try:
        found = parse(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("expected an object")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {advice}") from error
    except ValueError as error:
        raise InputError(f"{path}: malformed or damaged ({one_line(error)}); {advice}") from error
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:40]!r} stands there twice")
    return found


def _moderate(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"{digits[:_DIGITS]}… is too large a number")
    return int(digits)


def _not_finite(values: dict[str, Any] | list[Any]) -> str | None:
    """Where a NaN or an infinity stands, in words: `.frames[3].time is nan`."""
    for name, value in values.items() if isinstance(values, dict) else enumerate(values):
        if type(value) is float:
            rest = None if math.isfinite(value) else f" is {value:g}"
        elif isinstance(value, dict | list):
            rest = _not_finite(value)
        else:
            continue
        if rest:
            return f"[{name}]{rest}" if isinstance(name, int) else f".{name[:40]}{rest}"
    return None
