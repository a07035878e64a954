"""The viewer's own server: plain viser, one panel for each browser."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import viser

from audio_motion.arkit import MOTION_SUFFIXES
from audio_motion.errors import InputError
from geneface_ns.viewer.gate import LOCAL, guarded, new_token
from geneface_ns.viewer.host import need_private_api
from geneface_ns.viewer.panel import Panel, Takes
from geneface_ns.viewer.stage import Stage

SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", ".mp4", ".mov", ".mkv", ".webm", *MOTION_SUFFIXES)
"""Files of a folder that are offered."""


class Panels:
    """A panel for each browser of a server, from when it connects until it is gone."""

    def __init__(self, server: viser.ViserServer, stage: Stage, takes: Takes | None = None) -> None:
        """
        Args:
            takes: see `Panel`.
        """
        need_private_api()
        self._stage, self._takes = stage, takes
        self._open: dict[int, Panel] = {}
        self._gone: set[int] = set()
        """Browsers that went while their panel was being made."""
        self._lock = threading.Lock()
        server.on_client_connect(self._connect)
        server.on_client_disconnect(self._disconnect)

    def close(self) -> None:
        """Close all."""
        with self._lock:
            panels = list(self._open.values())
            self._open.clear()
        for panel in panels:
            panel.close()

    def _connect(self, client: viser.ClientHandle) -> None:
        panel = Panel(self._stage, client, self._takes)
        with self._lock:
            gone = client.client_id in self._gone
            if not gone:
                self._open[client.client_id] = panel
        if gone:
            panel.close()

    def _disconnect(self, client: viser.ClientHandle) -> None:
        with self._lock:
            panel = self._open.pop(client.client_id, None)
            if panel is None:
                self._gone.add(client.client_id)
        if panel is not None:
            panel.close()


def need_port(host: str, port: int) -> None:
    """Refuse a port that cannot be listened at: viser would silently take the next.

    Raises:
        InputError: it is in use, not allowed, or the host is none of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot listen at {host}:{port} ({reason}); choose another --port or --host") from error


def sounds_of(folder: Path) -> dict[str, Path]:
    """The files of a folder that can drive a head, by name.

    Raises:
        InputError: no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with sounds to choose from")
    found = {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SOUNDS and path.is_file()}
    if not found:
        raise InputError(f"{folder}: holds no sound ({', '.join(SOUNDS)}); give another folder")
    return found


@contextlib.contextmanager
def served(stage: Stage, host: str, port: int) -> Iterator[str]:
    """Serve a stage while the block lasts; yields its address, with a token where others than this machine are served.

    Raises:
        InputError: as `need_port`, or another viser than the one that this is made for.
    """
    need_private_api()
    need_port(host, port)
    token = None if host in LOCAL else new_token()
    with guarded(token):
        server = viser.ViserServer(host=host, port=port, label="geneface", verbose=False)
    server.gui.configure_theme(control_layout="fixed", control_width="medium", show_share_button=False)
    panels = Panels(server, stage)
    server.on_client_connect(lambda client: _face(client, stage))
    try:
        shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
        shown = f"[{shown}]" if ":" in shown else shown
        yield f"http://{shown}:{port}/" + (f"?token={token}" if token is not None else "")
    finally:
        panels.close()
        logging.getLogger("websockets").setLevel(logging.CRITICAL)  # browsers still send while viser's threads end
        server.stop()


def _face(client: viser.ClientHandle, stage: Stage) -> None:
    """The camera that the picture is seen from: in front of the head, with the capture's lens."""
    c2w = stage.person.c2w[0].astype(float)
    height, focal = stage.renderer.camera.size[1], stage.renderer.camera.focal[1]
    client.camera.up_direction = c2w[:3, 1]
    client.camera.position = c2w[:3, 3]
    client.camera.look_at = c2w[:3, 3] - c2w[:3, 2] * (c2w[:3, 3] @ c2w[:3, 2])
    client.camera.fov = 2 * math.atan(height / (2 * focal))
