"""Who listens where, of the processes that this one has started, from Linux's own tables."""

from __future__ import annotations

import os
from pathlib import Path

LISTENS = "0A"


def descendants(root: int) -> dict[int, str]:
    """Processes below one: pid to command line."""
    parents, commands = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            commands[int(place.name)] = place.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has ended meanwhile

    def below(pid: int | None) -> bool:
        while pid is not None:
            pid = parents.get(pid)
            if pid == root:
                return True
        return False

    return {pid: command for pid, command in commands.items() if below(pid)}


def listening(root: int) -> list[tuple[str, int, str]]:
    """Sockets on which processes below one wait for others: address as in the tables, port, command line."""
    sockets = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            fields = line.split()
            if fields[3] == LISTENS:
                address, port = fields[1].split(":")
                sockets[f"socket:[{fields[9]}]"] = address, int(port, 16)
    found = []
    for pid, command in descendants(root).items():
        for handle in _handles(pid):
            if handle in sockets:
                found.append((*sockets[handle], command))
    return found


def _handles(pid: int) -> list[str]:
    handles = []
    try:
        for link in os.scandir(f"/proc/{pid}/fd"):
            handles.append(os.readlink(link.path))
    except OSError:
        pass  # closed, or ended, meanwhile
    return handles
