"""When kernels run, and how they are compiled.

They use one thread: torch's threads wait busily on the other cores, and a second pool would fight them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Compile on the first call, without the interpreter's lock; kept on disk where a place for that is writable."""
    return _compiled(function)


def fast_kernel(function: Callable) -> Callable:
    """As `kernel`, where sums may be taken in any order and nothing is infinite or no number."""
    return _compiled(function, fastmath=True, error_model="numpy")


def _compiled(function: Callable, **options: Any) -> Callable:
    try:
        return numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # neither beside the source nor in the user's cache folder
        return numba.njit(nogil=True, **options)(function)
