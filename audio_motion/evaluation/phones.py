"""When which sound is said, where somebody has written it down beside a recording."""

from __future__ import annotations

from pathlib import Path

from audio_motion.data.json_kinds import as_kind
from audio_motion.errors import InputError
from audio_motion.json_file import read_json


def bilabials(path: Path) -> list[tuple[float, float]]:
    """Times of /p b m/ in a JSON file with "phones": [[name, start, end], …] in seconds; none if there is no file.

    Raises:
        InputError: there is a file beside the sound that says no phones.
    """
    if not path.is_file():
        return []
    expected = 'expected "phones": [[name, start, end], …], or no such file'
    found = read_json(path, expected)
    try:
        phones = as_kind(found["phones"], list[tuple[str, float, float]])
    except (ValueError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: not the phoneme times of the sound beside it ({reason}); {expected}") from error
    return [(start, end) for name, start, end in phones if name in ("p", "b", "m")]
