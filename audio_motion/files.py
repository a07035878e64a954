"""Writing files whole or not at all, and never over what is read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from audio_motion.errors import InputError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, delete it otherwise.

    The temporary file keeps `path`'s suffix, which is what encoders choose their container by.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; what we write is the user's and follows their umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; free some space or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)


def spare_inputs(output: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse an output that would be written over or around something read, however either path is spelled.

    Args:
        output: the file or folder to be written.
        inputs: files and folders to be read; None where an option was not given.

    Raises:
        InputError: `output` is one of them, also through links and under another name, or a folder that holds one.
    """
    for given in inputs:
        if given is None:
            continue
        if _same(output, given):
            raise InputError(f"{output}: would replace {given}, which is read; choose another output")
        if any(_same(output, folder) for path in (given.absolute(), given.resolve()) for folder in path.parents):
            raise InputError(f"{output}: holds {given}, which is read; choose another folder to write to")


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False  # one of them does not exist
