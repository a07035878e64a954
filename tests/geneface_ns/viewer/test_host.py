"""What is changed of viser, on its own class."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from viser.infra._infra import WebsockMessageHandler

from geneface_ns.viewer.host import keep_order


class Connection(WebsockMessageHandler):
    """A client's, without one."""

    def __init__(self) -> None:
        super().__init__(ThreadPoolExecutor(1))
        self.sent: list[Any] = []

    def unsafe_send_message(self, message: Any) -> None:
        self.sent.append(message)


def test_nothing_waits_for_a_lock_that_is_never_released() -> None:
    connection = Connection()
    keep_order(SimpleNamespace(gui=SimpleNamespace(_websock_interface=connection)))  # type: ignore[arg-type]
    connection._atomic_lock.acquire()  # as a thread leaves it that waits for itself

    def change() -> None:
        with connection.atomic(), connection.atomic():
            connection.queue_message("a change")  # type: ignore[arg-type]

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    thread.join(10)
    assert connection.sent == ["a change"]
