"""An HTTP server on loopback that keeps what is posted to it: what a webhook or a collector hears."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Listener(ThreadingHTTPServer):
    """Keeps headers and body of each POST, and answers with `status` after `seconds`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Intake)
        self.posts: list[tuple[Message, bytes]] = []
        self.status, self.seconds = 200, 0.0

    @property
    def place(self) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Intake(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.seconds)
        self.server.posts.append((self.headers, body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Listener]:
    """Run one until the block ends."""
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
