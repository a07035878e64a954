"""How many threads torch's operations are split over while other programs want the cores as well.

Every operation waits for its slowest thread. A thread whose core is taken by another program makes all wait for the
scheduler, hundreds of times a step: a training slows down tenfold beside one busy core. With a thread less it does not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from statistics import median

import torch

PROBE = 5
"""Steps that each number of threads is tried for."""
FIRST, EVERY = 50, 400
"""Steps before the first try, and between two."""
SLOWER = 1.5
"""A step that takes this many times longer than the chosen number of threads promised brings a try forward."""


def candidates() -> list[int]:
    """Numbers of threads worth trying: all, one less, half, one. All alone where OMP_NUM_THREADS says how many."""
    most = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ:
        return [most]
    return sorted({most, max(1, most - 1), max(1, most // 2), 1}, reverse=True)


@dataclass
class ThreadChoice:
    """Tells torch how many threads to use, by trying now and then which number is fastest.

    Call `step(seconds)` after each step, with what it took.
    """

    choices: list[int] = field(default_factory=candidates)
    _tried: dict[int, list[float]] = field(default_factory=dict)
    _recent: list[float] = field(default_factory=list)
    _expected: float = 0.0
    _since: int = EVERY - FIRST

    def step(self, seconds: float) -> None:
        """Take note of a step, and set the number of threads of the next."""
        if len(self.choices) == 1:
            return
        self._since += 1
        if self._tried:
            self._try(seconds)
            return
        self._recent = [*self._recent[-7:], seconds]
        slow = self._expected and len(self._recent) == 8 and median(self._recent) > SLOWER * self._expected
        if slow or self._since >= EVERY:
            self._tried = {self.choices[0]: []}
            torch.set_num_threads(self.choices[0])

    def _try(self, seconds: float) -> None:
        times = self._tried[torch.get_num_threads()]
        times.append(seconds)
        if len(times) < PROBE:
            return
        untried = [count for count in self.choices if count not in self._tried]
        if untried:
            self._tried[untried[0]] = []
            torch.set_num_threads(untried[0])
            return
        best = min(self._tried, key=lambda count: median(self._tried[count]))
        self._expected = median(self._tried[best])
        torch.set_num_threads(best)
        self._tried, self._recent, self._since = {}, [], 0
