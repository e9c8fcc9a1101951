"""XML-RPC over the unix socket of supervisord, with a timeout: a stopped one must not hang `voxloop down`."""

from __future__ import annotations

import http.client
import os
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

TIMEOUT = 10.0  # s for one call


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(os.fspath(self._path))
        except OSError:
            self.sock.close()
            raise


class SocketTransport(xmlrpc.client.Transport):
    """What carries the calls of an `xmlrpc.client.ServerProxy` to a unix socket.

    Args:
        path: The socket.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """Return a connection to the socket; the host of the address is not used."""
        connection = _SocketConnection(self._path)
        self._connection = (host, connection)  # where the transport looks when it is closed
        return connection
