"""Who may open the viewer."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import viser

from audio_motion.errors import InputError
from geneface_ns.commands.view import ViewConfig
from geneface_ns.viewer.gate import guarded, refusal
from tests.geneface_ns.commands.test_cli import config

TOKEN = "a-token_that-nobody~guesses"


class Answer(NamedTuple):
    status: int
    body: bytes
    cookie: str


class Served(NamedTuple):
    """A real viser server behind the gate."""

    port: int

    def ask(self, path: str = "/", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), answer.getheader("Set-Cookie") or "")

    def connect(self, **headers: str) -> int:
        """Ask for the page's connection; returns the status, 101 where it is given."""
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        more = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Key": key,
            "Sec_WebSocket_Version": "13",
        }
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as plain:
            lines = [f"{name.replace('_', '-')}: {value}" for name, value in {**more, **headers}.items()]
            plain.sendall("\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).encode())
            return int(plain.recv(4096).split()[1])


def serve(token: str | None) -> Iterator[Served]:
    with guarded(token):
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    # Port 0 is any free one, which viser does not ask for.
    port = server._websock_server._ws_server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    yield Served(port)
    server.stop()


@pytest.fixture(scope="module")
def local() -> Iterator[Served]:
    yield from serve(None)


@pytest.fixture(scope="module")
def guarded_by_token() -> Iterator[Served]:
    yield from serve(TOKEN)


def test_this_machine_needs_no_token(local: Served) -> None:
    answer = local.ask()
    assert answer.status == 200
    assert b"root" in answer.body
    assert b"googletagmanager" not in answer.body, "visits would be reported"
    assert local.connect(Host=f"localhost:{local.port}", Origin=f"http://localhost:{local.port}") == 101


def test_foreign_pages_and_foreign_names_are_refused(local: Served) -> None:
    host = f"127.0.0.1:{local.port}"
    assert local.connect(Host=host, Origin="http://elsewhere.example") == 403
    assert local.connect(Host=host, Origin="null") == 403
    # A name of somebody else's that they let point to this machine.
    assert local.ask(Host=f"elsewhere.example:{local.port}").status == 403
    assert local.connect(Host="elsewhere.example", Origin="http://elsewhere.example") == 403


def test_others_need_the_token_for_page_and_connection(guarded_by_token: Served) -> None:
    served, host = guarded_by_token, f"192.0.2.7:{guarded_by_token.port}"
    for path in ("/", "/assets/", "/?token=", "/?token=wrong", f"/?token={TOKEN}x"):
        assert served.ask(path, Host=host).status == 403, path
    assert served.connect(Host=host, Origin=f"http://{host}") == 403
    entered = served.ask(f"/?token={TOKEN}", Host=host)
    assert entered.status == 303  # to the address without it
    assert "HttpOnly" in entered.cookie
    cookie = entered.cookie.partition(";")[0]
    assert served.ask("/", Host=host, Cookie=cookie).status == 200
    assert served.connect(Host=host, Origin=f"http://{host}", Cookie=cookie) == 101
    assert served.connect(Host=host, Origin="http://elsewhere.example", Cookie=cookie) == 403
    assert served.ask("/", Host=host, Cookie=cookie[:-1]).status == 403


def test_whatever_is_sent_is_answered() -> None:
    for headers in ({}, {"Host": "[::1"}, {"Host": "a b"}, {"Host": "h:99999999"}, {"Host": "é", "Cookie": "é=é;;"}):
        for token in (None, TOKEN):
            assert refusal("/?token=é%00", {**headers, "Origin": "http://[x"}, token) is not None
            assert refusal("//[", headers, token) is not None


def test_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    run = config(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=r"cannot listen at 127\.0\.0\.1:\d+ \(Address already in use\)"):
            ViewConfig(run, port=taken.getsockname()[1]).main()
    with pytest.raises(InputError, match=r"cannot listen at 192\.0\.2\.1:7007"):  # no address of this machine
        ViewConfig(run, host="192.0.2.1").main()
    with pytest.raises(InputError, match="holds no sound"):
        ViewConfig(run, sounds=tmp_path).main()
    with pytest.raises(InputError, match="choose one between 1 and 65535"):
        ViewConfig(run, port=0).main()
    with pytest.raises(InputError, match="above 0"):
        ViewConfig(run, most_seconds=0).main()
