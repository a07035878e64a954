"""Speech features kept on disk, found again by what was heard and by what heard it; those unused for longest go."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_motion.errors import InputError
from audio_motion.features.frames import empty, frame_count
from audio_motion.features.interface import SpeechFeatures
from audio_motion.files import written_whole

LIMIT = "GENEFACE_FEATURES_GB"
"""Environment variable: how much is kept, in GB of 10^9 bytes; 0 keeps nothing."""
USUAL_LIMIT = 20.0
"""GB, where it is not set: 54 hours of speech heard through whisper-base."""

_log = logging.getLogger(__name__)


def cached(features: SpeechFeatures, samples: np.ndarray, folder: Path | None = None) -> Tensor:
    """What `features.extract(samples)` gives, extracted once and then read from a file.

    Hours of speech take little memory: they are written as they are extracted, and mapped, not read. An entry that is
    damaged is made again; where nothing can be written, the features are extracted each time. Entries take `limit()`
    bytes at most: those that were not used for longest are removed before a new one is written. (What a process has
    read it keeps: the system frees a removed file when the last one that reads it has ended.)

    Args:
        samples: float32 [S] mono 16 kHz.
        folder: where entries are kept; by default `default_folder()`.

    Returns:
        float32 [ceil(S / 320), C]. Changing it does not change the file.

    Raises:
        InputError: the limit in the environment is no size.
    """
    samples = np.ascontiguousarray(samples, np.float32)
    shape = (frame_count(len(samples)), features.channels)
    if shape[0] == 0:
        return empty(features.channels)
    digest = hashlib.sha256(features.name.encode())
    digest.update(samples.data)
    folder = folder or default_folder()
    path = folder / f"{digest.hexdigest()}.npy"
    found = _read(path, shape)
    if found is not None:
        return found
    room = limit() - 4 * math.prod(shape) - 128
    if room < 0:
        return features.extract(samples)
    new = not folder.is_dir()
    try:
        _shrink(folder, room)
        with written_whole(path) as temporary:
            _write(temporary, features, samples, shape)
    except InputError as error:
        _log.warning("speech features are not kept: %s", error)
        return features.extract(samples)
    if new:
        print(f"speech features are kept in {folder}, {limit() / 1e9:g} GB at most (${LIMIT})", file=sys.stderr)
    found = _read(path, shape)
    return features.extract(samples) if found is None else found  # None: removed by another process


def default_folder() -> Path:
    """~/.cache/geneface/features."""
    return cache_folder() / "features"


def cache_folder() -> Path:
    """~/.cache/geneface, or below $XDG_CACHE_HOME where that is set."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geneface"


def limit() -> int:
    """Bytes that may be kept.

    Raises:
        InputError: the environment says something else than a size.
    """
    said = os.environ.get(LIMIT, "")
    try:
        gigabytes = float(said) if said else USUAL_LIMIT
    except ValueError:
        gigabytes = math.nan
    if not 0 <= gigabytes < math.inf:
        raise InputError(f"${LIMIT} is {said!r}; give how many GB of speech features may be kept")
    return int(gigabytes * 1e9)


def _shrink(folder: Path, room: int) -> None:
    """Remove the entries that were not used for longest, until the others take no more than `room` bytes."""
    entries = []
    for path in folder.glob("*.npy"):
        with suppress(OSError):  # removed by another process meanwhile
            found = path.stat()
            entries.append((found.st_mtime, found.st_size, path))
    taken = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if taken <= room:
            return
        with suppress(OSError):
            path.unlink()
        taken -= size


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """The entry, mapped copy-on-write; None where there is none of that shape."""
    try:
        entry = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        _log.warning("%s is damaged (%s); it is made again", path, error)
        return None
    if entry.shape != shape or entry.dtype != np.float32:
        _log.warning("%s holds %s of %s, not %s; it is made again", path, entry.shape, entry.dtype, shape)
        return None
    with suppress(OSError):
        os.utime(path)  # used now: times of reading are seldom kept by disks
    return torch.from_numpy(entry)


def _write(path: Path, features: SpeechFeatures, samples: np.ndarray, shape: tuple[int, int]) -> None:
    # Written, not mapped: on a disk that is full, writing to a map kills the process.
    done = 0
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in features.stream([samples]):
            file.write(np.ascontiguousarray(part.numpy(), "<f4").data)
            done += len(part)
    assert done == shape[0], "the features do not cover the sound"
