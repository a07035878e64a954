"""Who may have the portrait next: the step of a training, or a picture for a viewer."""

from __future__ import annotations

import threading


class TurnLock:
    """A lock that goes to whoever has waited for it.

    Python's own goes to the first who takes it, and that is a training which begins its next step as soon as the last
    is done: on a machine whose cores are all busy, a viewer's thread woke up too late for up to nine steps in a row.
    """

    def __init__(self) -> None:
        self._next, self._held = threading.Lock(), threading.Lock()

    def acquire(self) -> bool:
        """Wait for it."""
        with self._next:  # held by the one who waits, so that whoever had the lock comes after
            return self._held.acquire()

    def release(self) -> None:
        """Hand it on."""
        self._held.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
