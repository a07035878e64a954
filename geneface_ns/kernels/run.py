"""When kernels run, and how they are compiled.

A kernel uses one thread, and lets others run beside it: `at_once` gives each a part of the work. numba's own threads
would need a pool of their own kind, which may not be entered from two threads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import torch
from torch import Tensor

_enabled = True


def usable(*tensors: Tensor) -> bool:
    """Whether kernels take these: all float32 on the CPU, outside `plain_torch`."""
    return _enabled and all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Within the block the plain-torch twins run everywhere."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def kernel(function: Callable) -> Callable:
    """Compile on the first call, without the interpreter's lock; kept on disk where a place for that is writable. Of a
    division by zero nothing is raised, as in numpy."""
    return _compiled(function)


def fast_kernel(function: Callable) -> Callable:
    """As `kernel`, where sums may be taken in any order and nothing is infinite or no number."""
    return _compiled(function, fastmath=True)


def _compiled(function: Callable, **options: Any) -> Callable:
    options["error_model"] = "numpy"  # a check at every division costs as much as the rest
    config: Any = numba.config
    before = config.CACHE_DIR
    try:
        config.CACHE_DIR = str(_kept_in())
        return _forgiving(numba.njit(nogil=True, cache=True, **options)(function))
    except RuntimeError:  # no writable place
        return numba.njit(nogil=True, **options)(function)
    finally:
        config.CACHE_DIR = before


def _forgiving(compiled: Any) -> Any:
    """A compiled function that is compiled again where the disk refuses: a folder of somebody else's, a full disk."""
    kept = compiled._cache
    load, save = kept.load_overload, kept.save_overload

    def load_overload(*args: Any) -> Any:
        with suppress(OSError):
            return load(*args)
        return None

    def save_overload(*args: Any) -> None:
        with suppress(OSError):
            save(*args)

    kept.load_overload, kept.save_overload = load_overload, save_overload
    return compiled


@contextmanager
def torch_alone() -> Iterator[int]:
    """Within the block torch works on the calling thread alone; gives how many it had (in a training nerf/threads.py
    chooses). Its threads wait busily for more to do, and would take the cores from the kernels that come next."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def at_once(work: Callable[[int], None], parts: range, threads: int) -> None:
    """Do the parts of some work on so many threads."""
    threads = min(threads, len(parts))
    if threads <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:  # not kept: it would not outlive a fork
        list(pool.map(work, parts))


@cache
def _kept_in() -> Path:
    """Where compiled kernels are kept: a folder for the sources of all as they are now, because a kernel holds those it
    calls, and numba notices changes in a kernel's own file alone."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    config: Any = numba.config
    caches = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches, "geneface", "kernels", hashlib.sha256(sources).hexdigest()[:16])
