"""Memory of large pictures is given back as soon as nobody needs it."""

from __future__ import annotations

import ctypes
from functools import cache

LARGE = 4 << 20
"""Bytes: a picture of 1080p has 6 MB, one of 2160p 25 MB."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


@cache
def map_large_blocks() -> None:
    """Have glibc map every block of LARGE bytes and more by itself, for all of this process.

    Left alone it takes even blocks of 32 MB from its heap once one as large has been freed. Small blocks that stay then
    lie in the holes of large ones, which no picture fits into again: reading 2160p, the heap grew by 1.5 GB a minute,
    though not one picture was kept. Other C libraries have no such heap, and are left alone.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    set_option(_MMAP_THRESHOLD, LARGE)
    set_option(_TRIM_THRESHOLD, 16 * LARGE)  # which the one above has set to its smallest
