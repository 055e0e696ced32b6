"""A proxy before a server on loopback that fails as often as it is told to."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

__all__ = ["FlakyProxy", "flaky"]


class FlakyProxy:
    """What it does is decided for each request.

    `fail("500", 3)`: the next three requests are answered so; `"hang up"`: the answer stops in the middle.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._lock = threading.Lock()
        self._fault, self._left = "", 0
        self.failed = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def fail(self, fault: str, times: int) -> None:
        with self._lock:
            self._fault, self._left = fault, times

    def _fails(self) -> str:
        with self._lock:
            if not self._left:
                return ""
            self._left -= 1
            self.failed += 1
            return self._fault

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self._fails()
        if fault.isdigit():
            self._answer(request, int(fault), {}, b"<Error><Code>InternalError</Code></Error>")
            return
        if fault and request.command in {"PUT", "POST", "DELETE"}:
            request.connection.shutdown(socket.SHUT_RDWR)  # before the server has heard of it
            return
        server = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=30)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
        server.request(request.command, request.path, body, headers)
        answer = server.getresponse()
        data = answer.read()
        server.close()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in {"transfer-encoding", "connection"}}
        if request.command != "HEAD":
            kept = {k: v for k, v in kept.items() if k.lower() != "content-length"}
        self._answer(request, answer.status, kept, data, half=bool(fault))

    def _answer(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes, half: bool = False
    ) -> None:
        request.send_response_only(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if request.command != "HEAD":
            request.send_header("Content-Length", str(len(data)))
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(b"" if request.command == "HEAD" else data[: len(data) // 2] if half else data)
        request.wfile.flush()
        if half:
            request.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def flaky(target: str) -> Iterator[FlakyProxy]:
    """Start a proxy before a server."""
    proxy = FlakyProxy(target)
    thread = threading.Thread(target=proxy.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join(5)
