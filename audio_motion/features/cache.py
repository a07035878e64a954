"""Speech features kept on disk, found again by what was heard and by what heard it."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_motion.errors import InputError
from audio_motion.features.frames import empty, frame_count
from audio_motion.features.interface import SpeechFeatures
from audio_motion.files import written_whole

_log = logging.getLogger(__name__)


def cached(features: SpeechFeatures, samples: np.ndarray, folder: Path | None = None) -> Tensor:
    """What `features.extract(samples)` gives, extracted once and then read from a file.

    Hours of speech take little memory: they are written as they are extracted, and mapped, not read. An entry that is
    damaged is made again; where nothing can be written, the features are extracted each time.

    Args:
        samples: float32 [S] mono 16 kHz.
        folder: where entries are kept; by default `default_folder()`.

    Returns:
        float32 [ceil(S / 320), C]. Changing it does not change the file.
    """
    samples = np.ascontiguousarray(samples, np.float32)
    shape = (frame_count(len(samples)), features.channels)
    if shape[0] == 0:
        return empty(features.channels)
    digest = hashlib.sha256(features.name.encode())
    digest.update(samples.data)
    path = (folder or default_folder()) / f"{digest.hexdigest()}.npy"
    found = _read(path, shape)
    if found is None:
        try:
            with written_whole(path) as temporary:
                _write(temporary, features, samples, shape)
        except InputError as error:
            _log.warning("speech features are not kept: %s", error)
            return features.extract(samples)
        found = _read(path, shape)
        assert found is not None, f"{path} was written and cannot be read"
    return found


def default_folder() -> Path:
    """~/.cache/geneface/features, or below $XDG_CACHE_HOME where that is set."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geneface" / "features"


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
    return torch.from_numpy(entry)


def _write(path: Path, features: SpeechFeatures, samples: np.ndarray, shape: tuple[int, int]) -> None:
    entry = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    done = 0
    for part in features.stream([samples]):
        entry[done : done + len(part)] = part.numpy()
        done += len(part)
    assert done == shape[0], "the features do not cover the sound"
    entry.flush()
