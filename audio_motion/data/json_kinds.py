"""Values out of JSON as the dataclasses that they were, every field's type checked."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from audio_motion.errors import one_line

Kind = TypeVar("Kind")


def as_kind(found: Any, kind: type[Kind]) -> Kind:
    """A value as a dataclass, or as builtin containers of some; a field that it has no name for is left out.

    Raises:
        ValueError: of another type. One line.
    """
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise ValueError(one_line(error)) from error
