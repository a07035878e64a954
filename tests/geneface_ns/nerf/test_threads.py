"""Choosing the number of threads by trying."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from geneface_ns.nerf.threads import EVERY, PROBE, ThreadChoice, candidates


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(choice: ThreadChoice, steps: int, seconds: dict[int, float]) -> int:
    """Steps that take as long as the number of threads says; returns the number of threads in the end."""
    for _ in range(steps):
        choice.step(seconds[torch.get_num_threads()])
    return torch.get_num_threads()


def test_the_fastest_is_kept_and_a_busy_core_is_noticed():
    torch.set_num_threads(2)
    choice = ThreadChoice([2, 1])
    alone, beside_a_busy_core = {2: 0.06, 1: 0.1}, {2: 0.6, 1: 0.11}
    assert run(choice, EVERY + 2 * PROBE, alone) == 2
    # Ten times slower steps bring the next try forward.
    assert run(choice, 10 + 2 * PROBE, beside_a_busy_core) == 1
    assert run(choice, EVERY - 20, beside_a_busy_core) == 1
    # When the core is free again, the next regular try finds out.
    assert run(choice, EVERY + 2 * PROBE, alone) == 2


def test_candidates(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(4)
    assert candidates() == [4, 3, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert candidates() == [4]
    choice = ThreadChoice()
    for _ in range(2 * EVERY):
        choice.step(1.0)
    assert torch.get_num_threads() == 4
