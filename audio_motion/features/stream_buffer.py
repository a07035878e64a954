"""The part of a stream that is still needed."""

from __future__ import annotations

import numpy as np


class StreamBuffer:
    """Rows of an endless array, kept from where they are needed to where they have arrived.

    Rows are counted from the stream's beginning: sound [S] by samples, features [T, C] by frames.
    """

    def __init__(self, empty: np.ndarray, beyond: np.ndarray | float = 0.0) -> None:
        """
        Args:
            empty: no rows, [0, ...], of the stream's type and width.
            beyond: the row that stands before the beginning of the stream and beyond its end.
        """
        self.end = 0
        """Rows that have arrived so far."""
        self._rows = empty
        self._beyond = beyond
        self._origin = 0  # number of the first of _rows
        self._arrived: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        """Append rows. They are joined when read, so that many small pieces cost no more than a few large ones."""
        self._arrived.append(np.asarray(rows, self._rows.dtype))
        self.end += len(rows)

    def forget(self, before: int) -> None:
        """Rows before that one are no longer needed. At least half of what is kept is always needed."""
        self._join()
        drop = min(before - self._origin, len(self._rows))
        if 2 * drop > len(self._rows):
            self._rows = self._rows[drop:].copy()
            self._origin += drop

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`, [stop - start, ...]."""
        self._join()
        found = np.empty((stop - start, *self._rows.shape[1:]), self._rows.dtype)
        found[:] = self._beyond
        inside = self._rows[max(0, start - self._origin) : max(0, stop - self._origin)]
        before = max(0, min(stop, 0) - start)
        found[before : before + len(inside)] = inside
        return found

    def _join(self) -> None:
        if self._arrived:
            self._rows = np.concatenate([self._rows, *self._arrived])
            self._arrived = []
