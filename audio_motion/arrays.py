"""Arrays in .npz files, written whole and read with care: no pickle, every byte checked, no more than is stated."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from audio_motion.errors import one_line
from audio_motion.files import written_whole

LARGEST = 1 << 30
"""Bytes of all arrays in a file that is read: ten hours of landmarks. A file of a few kB may claim to hold any size."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, SyntaxError, MemoryError),
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, tokenize.TokenError),
)
"""What zipfile and numpy raise on files that are damaged, or none of ours."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Write an .npz, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    # Made in memory: on a full disk zipfile tries to end what it has begun, and says so on the screen.
    contents = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(contents, **arrays)
    with written_whole(path) as temporary:
        temporary.write_bytes(contents.getbuffer())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz. Each one's checksum, which covers its header too, is compared.

    Raises:
        ValueError: damaged, or not such a file; one line.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            if sum(member.file_size for member in members) > LARGEST:
                raise ValueError(f"it claims to hold more than {LARGEST >> 30} GiB")
            if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
                raise ValueError("it is packed in another way than numpy's")
            return {member.filename.removesuffix(".npy"): _array(file.read(member)) for member in members}
    except _DAMAGED as error:
        raise ValueError(f"{type(error).__name__}: {one_line(error)}") from error


def _array(contents: bytes) -> np.ndarray:
    stream = io.BytesIO(contents)
    read_header = _HEADERS.get(np.lib.format.read_magic(stream))
    if read_header is None:
        raise ValueError("an array of another format")
    shape, columns_first, kind = read_header(stream)
    size = math.prod(shape) * kind.itemsize
    if kind.hasobject or any(length < 0 for length in shape) or size != len(contents) - stream.tell():
        raise ValueError(f"an array of {shape} {kind} that is not what lies there")
    array: np.ndarray = np.ndarray(shape, kind, contents, stream.tell(), order="F" if columns_first else "C")
    return array.copy()
