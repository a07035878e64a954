"""Who may open the viewer: a check before viser answers anything, be it a page or the page's connection.

viser 0.2.7 answers whoever reaches its port, also a foreign web page in the user's own browser. Here requests must name
the host as the user knows it and come from the viewer's own page; with a token they must carry it, in the address at
first and then in a cookie, since viser's page leaves the address out when it connects.
"""

from __future__ import annotations

import gzip
import hmac
import http
import re
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from viser.infra import _infra

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Names of this machine for itself."""
_ANALYTICS = re.compile(rb"<script[^>]*>(?:(?!</script>).)*</script>", re.DOTALL)

Answer = tuple[http.HTTPStatus, Any, bytes]
Handler = Callable[[str, Mapping[str, str]], Awaitable["Answer | None"]]


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def refusal(path: str, headers: Mapping[str, str], token: str | None) -> Answer | None:
    """What a request is answered with instead of the page; None where it may have it.

    Args:
        path: with what follows the question mark.
        token: that it must carry; None where none is needed, because only this machine is served.
    """
    try:
        return _refusal(path, headers, token)
    except (ValueError, CookieError):
        return _no("this request cannot be read")


def _refusal(path: str, headers: Mapping[str, str], token: str | None) -> Answer | None:
    named, origin = headers.get("Host", ""), headers.get("Origin")
    if token is None and urlsplit(f"//{named}").hostname not in LOCAL:
        return _no("this viewer answers this machine only, by the name of localhost")
    if origin is not None and urlsplit(origin).netloc.lower() != named.lower():
        return _no("this viewer answers its own page only")
    if token is None:
        return None
    given = parse_qs(urlsplit(path).query).get("token", [""])[0]
    if hmac.compare_digest(given.encode(), token.encode()):
        cookie = f"{_cookie(named)}={token}; Path=/; HttpOnly; SameSite=Strict"
        return http.HTTPStatus.SEE_OTHER, [("Location", "/"), ("Set-Cookie", cookie)], b""
    kept = SimpleCookie(headers.get("Cookie", "")).get(_cookie(named))
    if kept is not None and hmac.compare_digest(kept.value.encode(), token.encode()):
        return None
    return _no("open the address that was printed when the viewer was started, with its token")


def without_analytics(answer: Answer) -> Answer:
    """viser's page reports each visit to Google; this one does not."""
    status, headers, body = answer
    if not dict(headers).get("Content-Type", "").startswith("text/html"):
        return answer
    packed = dict(headers).get("Content-Encoding") == "gzip"
    page = gzip.decompress(body) if packed else body

    def kept(script: re.Match[bytes]) -> bytes:
        return b"" if b"googletagmanager" in script[0] or b"gtag(" in script[0] else script[0]

    page = _ANALYTICS.sub(kept, page)
    return status, headers, gzip.compress(page) if packed else page


@contextmanager
def guarded(token: str | None) -> Iterator[None]:
    """A viser server that is made inside the block asks `refusal` first. One at a time in a process.

    Raises:
        RuntimeError: the server that was made does not listen as viser 0.2.7 does, and so is not guarded.
    """
    listening: Any = _infra.websockets.server
    serve, wrapped = listening.serve, threading.Event()

    def guarded_serve(*arguments: Any, process_request: Handler, **options: Any) -> Any:
        async def checked(path: str, headers: Mapping[str, str]) -> Answer | None:
            refused = refusal(path, headers, token)
            if refused is not None:
                return refused
            answer = await process_request(path, headers)
            return None if answer is None else without_analytics(answer)

        wrapped.set()
        return serve(*arguments, process_request=checked, **options)

    listening.serve = guarded_serve
    try:
        yield
    finally:
        listening.serve = serve
    if not wrapped.is_set():
        raise RuntimeError("this viser does not listen through websockets.server.serve: nobody would be refused")


def _no(reason: str) -> Answer:
    return http.HTTPStatus.FORBIDDEN, [("Content-Type", "text/plain")], f"{reason}\n".encode()


def _cookie(named: str) -> str:
    """Browsers share cookies between the ports of a host."""
    return f"geneface-{urlsplit(f'//{named}').port or 80}"
