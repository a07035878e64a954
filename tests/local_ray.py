"""A Ray cluster of this machine alone, for tests of what runs on clusters."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

import pytest


@contextmanager
def local_ray() -> Iterator[str]:
    """The address of a Ray cluster of one machine, which asks for a key: this process has it in its environment. Where
    its start is too slow, Ray gives up, and the test is skipped."""
    settings = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    command = [Path(sys.executable).parent / "ray", "start", "--head", "--block", f"--port={port}", "--num-cpus=2"]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray") as folder:
        for name, value in settings.items():
            patch.setenv(name, value)
        head = subprocess.Popen(
            # Its sockets need a short path.
            [*command, "--include-dashboard=false", "--object-store-memory=100000000", f"--temp-dir={folder}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            assert head.stdout is not None
            said = "".join(takewhile(lambda line: "--block" not in line, head.stdout))
            if "Ray runtime started" not in said:  # its address it tells before it tries
                pytest.skip(f"Ray does not start here: {said[-200:]}")
            found = re.search(r"Local node IP: (\S+)", said)
            assert found, said
            yield f"{found[1]}:{port}"
        finally:
            with suppress(ProcessLookupError):  # it has given up
                os.killpg(head.pid, signal.SIGKILL)
            head.wait()
