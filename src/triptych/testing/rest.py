"""A small HTTP server on loopback that answers from a script, for tests of whoever asks a controller.

It records every request and never improvises: a request that the script does not foresee
is answered with 599, which no client takes for anything.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec


class Request(NamedTuple):
    """What was asked: `path` is percent-decoded, `body` is JSON or None."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


class Reply(NamedTuple):
    """What is answered. `pieces` are sent one by one instead of a body; `hang_up`: nothing is answered at all."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}
    pieces: tuple[bytes, ...] = ()
    hang_up: bool = False


Script = Callable[[Request], Reply]
UNFORESEEN = Reply(599, {"detail": "the script does not foresee this request"})


def problem(status: int, name: str, detail: str, **more: Any) -> Reply:
    """A refusal as RFC 9457 has it."""
    body = {"type": f"/problems/{name}", "title": name, "status": status, "detail": detail, **more}
    return Reply(status, body, {"content-type": "application/problem+json"})


class FakeController:
    """A server while `serving`; `requests` is all that was asked."""

    def __init__(self, script: Script, url: str) -> None:
        self.script = script
        self.url = url
        self.requests: list[Request] = []


@contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[FakeController]:
    """Serve a script on loopback, on a free port, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    fake = FakeController(script, f"{scheme}://127.0.0.1:{server.server_address[1]}")
    server.fake = fake  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        fake: FakeController = self.server.fake  # type: ignore[attr-defined]
        split = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = msgspec.json.decode(raw) if raw else None
        request = Request(self.command, unquote(split.path), dict(parse_qsl(split.query)), headers, body)
        fake.requests.append(request)
        self._send(fake.script(request))

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the names that the library asks for

    def _send(self, reply: Reply) -> None:
        if reply.hang_up:
            self.close_connection = True
            return
        content = msgspec.json.encode(reply.body) if reply.body is not None else b""
        self.send_response(reply.status)
        for name, value in ({"content-type": "application/json"} | dict(reply.headers)).items():
            self.send_header(name, value)
        if reply.pieces:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in reply.pieces:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
