"""What the panel needs of viser beside its public interface, in one place.

viser 0.2.7, which nerfstudio pins, sends scripts to the page (`RunJavascriptMessage`), which runs them inside the
function that handles its messages: they see that function's `viewer`, viser's state of the page. Uploads of any size
are gathered in memory and in any order; here they are bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import viser
from viser import _messages

from audio_motion.errors import InputError

_NEEDED = (
    *("RunJavascriptMessage", "BackgroundImageMessage", "GuiUpdateMessage"),
    *("FileTransferStart", "FileTransferPart", "FileTransferPartAck"),
)


def need_private_api() -> None:
    """Refuse a viser that lacks what this module uses.

    Raises:
        InputError: it does.
    """
    missing = [name for name in _NEEDED if not hasattr(_messages, name)]
    if missing:
        raise InputError(f"viser {version('viser')} has no {', '.join(missing)}; install viser 0.2.7")


def keep_order(client: viser.ClientHandle) -> None:
    """Have messages to a client arrive in the order sent, those of viser's own handles, too.

    viser leaves a message that is sent at the same moment as another to a thread that sends it later: then pieces of a
    sound arrive in another order, and an old value of the panel is the last that is seen. The buffer below is safe
    without that; what is lost is that changes made inside `client.atomic()` come in one. Its lock then guards nothing,
    and is left out too: viser releases it before it forgets whose it was, so that on a busy machine a thread could wait
    for itself in it, and the browser heard no more of anything.
    """
    connection = _connection(client)
    connection.queue_message = connection.unsafe_send_message
    connection.atomic = nullcontext


def run_script(client: viser.ClientHandle, source: str) -> None:
    """Have the client's page run JavaScript; scripts, pictures and changes of the panel arrive in the order sent."""
    _connection(client).queue_message(_messages.RunJavascriptMessage(source))


def element_id(handle: Any) -> str:
    """The name under which the page knows an element of the panel."""
    return handle._impl.id if hasattr(handle._impl, "id") else handle._impl.uuid


def change_element(handle: Any, **properties: Any) -> None:
    """Change what an element of the panel shows beside its value: its `label`, or a slider's `max`."""
    message = _messages.GuiUpdateMessage(element_id(handle), properties)
    handle._impl.gui_api._websock_interface.queue_message(message)


def _connection(client: viser.ClientHandle) -> Any:
    return client.gui._websock_interface


@dataclass
class _Transfer:
    """One file on its way."""

    button: str
    name: str | None = None
    size: int | None = None
    parts: dict[int, bytes] = field(default_factory=dict)
    received: int = 0


class Uploads:
    """Takes a client's uploads to some buttons in viser's place: bounded, and in whatever order the messages come.

    viser hands its messages to a pool of threads, so that a part may be handled before the start of its file.
    """

    def __init__(
        self,
        client: viser.ClientHandle,
        buttons: Sequence[tuple[Any, Callable[[str, bytes], None]]],
        largest: int,
        refused: Callable[[str], None],
    ) -> None:
        """
        Args:
            buttons: upload buttons, and what is called with the name and contents of each file.
            largest: bytes of a file, and of all files on their way together.
            refused: called with the reason why a file is not taken.
        """
        self._connection = _connection(client)
        self._done = {element_id(button): done for button, done in buttons}
        self._largest, self._refused = largest, refused
        self._lock = threading.Lock()
        self._transfers: dict[str, _Transfer] = {}
        self._finished: set[str] = set()
        for kind, handler in ((_messages.FileTransferStart, self._start), (_messages.FileTransferPart, self._part)):
            self._connection._incoming_handlers[kind] = [handler]  # viser's own would take it as well

    def close(self) -> None:
        """Forget what is on its way."""
        with self._lock:
            self._transfers.clear()

    def _start(self, _: int, message: Any) -> None:
        problem = None
        with self._lock:
            if message.transfer_uuid in self._finished or message.source_component_id not in self._done:
                return
            waiting = sum(transfer.size or 0 for transfer in self._transfers.values())
            if message.size_bytes + waiting > self._largest:
                self._forget(message.transfer_uuid)
                problem = f"{_megabytes(message.size_bytes)} are too much; upload at most {_megabytes(self._largest)}"
            elif message.size_bytes <= 0:
                self._forget(message.transfer_uuid)
                problem = "the file is empty; upload another one"
            else:
                transfer = self._transfers.setdefault(message.transfer_uuid, _Transfer(message.source_component_id))
                transfer.name, transfer.size = str(message.filename), int(message.size_bytes)
        if problem:
            size = max(message.size_bytes, 1)
            self._acknowledge(message.source_component_id, message.transfer_uuid, size, size)
            self._refused(problem)
        else:
            self._end(message.transfer_uuid)

    def _part(self, _: int, message: Any) -> None:
        with self._lock:
            if message.transfer_uuid in self._finished or message.source_component_id not in self._done:
                return
            transfer = self._transfers.setdefault(message.transfer_uuid, _Transfer(message.source_component_id))
            transfer.parts[message.part] = message.content
            transfer.received += len(message.content)
            held = sum(transfer.received for transfer in self._transfers.values())
            too_much = held > self._largest or (transfer.size is not None and transfer.received > transfer.size)
            if too_much:
                self._forget(message.transfer_uuid)
        if too_much:
            self._refused("more arrived than was announced; upload it again")
        else:
            self._end(message.transfer_uuid)

    def _end(self, name: str) -> None:
        with self._lock:
            transfer = self._transfers.get(name)
            if transfer is None or transfer.name is None or transfer.size is None:
                return
            complete = transfer.received == transfer.size
            if complete:
                self._forget(name)
            # Before the lock is free: the page believes the last one, and keeps the button from use until all is there.
            self._acknowledge(transfer.button, name, transfer.received, transfer.size)
        if complete:
            self._done[transfer.button](transfer.name, b"".join(transfer.parts[i] for i in sorted(transfer.parts)))

    def _forget(self, name: str) -> None:
        """Whole or refused: what still comes of this one is not kept."""
        self._transfers.pop(name, None)
        self._finished.add(name)

    def _acknowledge(self, button: str, name: str, received: int, size: int) -> None:
        self._connection.queue_message(_messages.FileTransferPartAck(button, name, received, size))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def show_picture(client: viser.ClientHandle, jpeg: bytes, serial: int, time: float) -> None:
    """Put a JPEG behind the scene; the page's player is told its number and the second of the sound it belongs to.

    As `scene.set_background_image`, but encoded before.
    """
    _connection(client).queue_message(_messages.BackgroundImageMessage("image/jpeg", jpeg, None))
    run_script(client, f"talkingHead.picture({serial}, {time:.6f})")
