"""Writing files whole or not at all, never over what is read, and in folders that one process at a time writes; reading
nothing that is no file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audio_motion.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a full quota, a file as large as files may become."""


@contextmanager
def written_whole(path: Path, beside: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, delete it otherwise.

    The temporary file keeps `path`'s suffix, which is what encoders choose their container by. One that a killed
    process left is removed by the next that writes `path`. Errors of the block that are not about writing are its own.

    Args:
        path: the file to write.
        beside: another place for the temporary file, on the same disk.

    Raises:
        InputError: the folder cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    beside = path if beside is None else beside
    try:
        for folder in (path.parent, beside.parent):
            folder.mkdir(parents=True, exist_ok=True)
        _remove_left_over(beside)
        handle, temporary = _open_temporary(beside)
    except OSError as error:
        raise unwritten(path, error) from error
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno not in FULL and error.filename != str(temporary):
                raise
            raise unwritten(path, error) from error
        try:
            # mkstemp makes files private; what we write is the user's and follows their umask.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        except OSError as error:
            raise unwritten(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def is_full(error: InputError) -> bool:
    """Whether it was the disk's room that was missing: the same again may end well."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL


def unwritten(path: Path, error: OSError) -> InputError:
    """What to say where the system does not let `path` be written."""
    advice = "free some space or choose another disk" if error.errno in FULL else "choose a place you may write to"
    return InputError(f"cannot write {path}: {error.strerror or error}; {advice}")


def need_file(path: Path, expected: str) -> None:
    """Refuse what cannot be read as a file. Pipes and devices are not opened: that could wait for ever.

    Args:
        path: to be read.
        expected: what it should be, or what to do, for the message.

    Raises:
        InputError: it is not there, not a file, or may not be read.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {expected}") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise InputError(f"{path}: no such file ({getattr(error, 'strerror', None) or error}); {expected}") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is a {'folder' if stat.S_ISDIR(mode) else 'pipe or a device'}; {expected}")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read (no permission); {expected}")


def _open_temporary(path: Path) -> tuple[int, Path]:
    """A new file beside `path` and its handle, locked until that is closed, which a kill does too."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        _lock(handle)
        if Path(name).exists():  # not taken for a left-over before it was locked
            return handle, Path(name)
        os.close(handle)


def _remove_left_over(path: Path) -> None:
    """Remove what killed processes left of `path`: temporary files that nobody has locked."""
    name = re.compile(re.escape(f".{path.stem}-") + r"\w{8}" + re.escape(path.suffix))
    for found in [entry.path for entry in os.scandir(path.parent) if name.fullmatch(entry.name)]:
        with suppress(OSError), open(found, "rb") as file:  # gone meanwhile, or another user's
            if _lock(file.fileno()):
                os.unlink(found)


def _lock(handle: int) -> bool:
    """Lock an open file or folder; False where another process has. A disk without locks locks nothing."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def held_alone(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder as its only writer; it is made where it is not there, and removed at the end if nothing is in it.

    Args:
        folder: to hold.
        what: works in it, for the message, as in "geneface process".

    Raises:
        InputError: another process holds it, or it cannot be made.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        handle = _hold(folder)
    except BlockingIOError as error:
        raise InputError(f"{folder}: another {what} is writing there; wait for it to end, or stop it") from error
    except OSError as error:
        raise unwritten(folder, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # not empty
            for path in made:
                path.rmdir()
        os.close(handle)


def _hold(folder: Path) -> int:
    """A handle of the folder, locked until it is closed. Raises BlockingIOError where another process has it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise
        except OSError:
            return handle  # a disk without locks
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
        os.close(handle)  # removed by its last holder before we had it


def sha256_of(path: Path, before: bytes = b"") -> str:
    """SHA-256 over a file's bytes, in hexadecimal digits.

    Args:
        before: what is hashed before them.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256(before)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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
        # Not Path.resolve, which gives up on links that lead back to themselves.
        paths = (given.absolute(), Path(os.path.realpath(given)))
        if any(_same(output, folder) for path in paths for folder in path.parents):
            raise InputError(f"{output}: holds {given}, which is read; choose another folder to write to")


def need_output(path: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse a file to write that will not be written or would replace what is read, before the work for it is done:
    `need_place` and `spare_inputs`."""
    need_place(path)
    spare_inputs(path, inputs)


def need_place(path: Path) -> None:
    """Refuse a file to write that will not be written, before the work for it is done.

    Raises:
        InputError: it is a folder, a pipe or a device, or its folder is a file or may not be written to.
    """
    if path.exists() and not path.is_file():  # a file is put in its place, which would end a device
        what = "folder" if path.is_dir() else "pipe or a device"
        raise InputError(f"cannot write {path}: is a {what}; give the name of a file")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: {folder} is a file; choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritten(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False  # one of them does not exist
