"""Arguments that may be given in their place or by name."""

from __future__ import annotations

from pathlib import Path

from audio_motion.errors import InputError


def either(usage: str, place: tuple[str, Path | None], flag: tuple[str, Path | None]) -> Path | None:
    """What was given in its place or by its flag, each with its name; None if neither was.

    Args:
        usage: the command with its arguments, for the message.

    Raises:
        InputError: both were given.
    """
    if place[1] is not None and flag[1] is not None:
        raise InputError(f"{place[1]} and {flag[0]} {flag[1]}: two for {place[0]} of `{usage}`; give one")
    return place[1] if flag[1] is None else flag[1]


def one_of(usage: str, place: tuple[str, Path | None], flag: tuple[str, Path | None]) -> Path:
    """As `either`, for what cannot be left out.

    Raises:
        InputError: both were given, or neither.
    """
    found = either(usage, place, flag)
    if found is None:
        raise InputError(f"no {place[0]} is given: it is `{usage}`, or {flag[0]}")
    return found
