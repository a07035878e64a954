"""Arrays for a page's scripts: one run of bytes, and what lies where in it."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST = 32767
"""Of a whole number of 16 bits."""
ALIGNED = 4
"""Bytes at whose multiples an array begins, so that a browser can look at it in place."""


class Numbers:
    """Little-endian arrays one after the other. `about` is JSON: of each the kind, the first byte, how many numbers,
    and where they are of 16 bits, what one of them stands for in each column."""

    def __init__(self) -> None:
        self.contents = bytearray()
        self.about: dict[str, dict[str, Any]] = {}

    def add(self, name: str, array: np.ndarray) -> None:
        """Put in an array as it is: uint8, int32 or float32 of any shape, row by row."""
        if array.dtype not in (np.uint8, np.int32, np.float32):
            raise ValueError(f"{name} is {array.dtype}")
        self._put(name, array, {})

    def add_rounded(self, name: str, rows: np.ndarray) -> None:
        """Put in float [N, ...] at 16 bits: each column in steps of the 32767th part of its largest number."""
        columns = np.asarray(rows, np.float64).reshape(len(rows), -1)
        step = np.abs(columns).max(axis=0, initial=0) / MOST
        whole = np.rint(columns / np.where(step > 0, step, 1)).astype(np.int16)
        self._put(name, whole, {"steps": [float(f"{x:.6g}") for x in step]})

    def _put(self, name: str, array: np.ndarray, more: dict[str, Any]) -> None:
        self.contents.extend(bytes(-len(self.contents) % ALIGNED))
        place = {"kind": array.dtype.name, "at": len(self.contents), "count": array.size}
        self.about[name] = place | more
        self.contents.extend(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
