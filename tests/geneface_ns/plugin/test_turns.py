"""Steps and pictures, in turns."""

from __future__ import annotations

import threading
import time

from geneface_ns.plugin.turns import TurnLock

PICTURES = 20


def test_a_picture_waits_for_a_step_and_not_for_more() -> None:
    lock, steps, done = TurnLock(), 0, threading.Event()

    def train() -> None:
        nonlocal steps
        while not done.is_set():
            with lock:  # and again at once
                time.sleep(0.002)
                steps += 1

    training = threading.Thread(target=train)
    training.start()
    waited = []
    for _ in range(PICTURES):
        time.sleep(0.003)
        before = steps
        lock.acquire()
        waited.append(steps - before)
        lock.release()
    done.set()
    training.join()
    # One that is under way, and one that had its turn before.
    assert max(waited) <= 2


def test_one_at_a_time() -> None:
    lock, inside, most = TurnLock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with lock:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)
