"""A proxy on loopback that cuts the line after the n-th command of a client.

It speaks no protocol: whatever the client sends at once counts as a command (within TLS, too), and
the cut comes either before the server sees it or after it has answered.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from enum import StrEnum

from services.daemon import free_ports


class Cut(StrEnum):
    """Where the line breaks."""

    BEFORE = "before"
    """The command does not reach the server."""
    AFTER = "after"
    """The server has acted, its answer does not reach the client."""


class Cutter:
    """Context manager; `port` leads to `target`. Without a plan it only passes on and counts."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.commands = 0
        """Commands seen since the last `plan`."""
        self._at = 0
        self._how = Cut.BEFORE
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Cutter:
        (self.port,) = free_ports(1)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)
        for connection in list(self._open):
            self._kill(connection)

    def plan(self, at: int, how: Cut) -> None:
        """Cut once at the `at`-th command from now on; 0: never."""
        with self._lock:
            self.commands, self._at, self._how = 0, at, how

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for side in (client, server):
                # small lines go at once, as they do without a proxy
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            pair = _Pair(self, client, server)
            threading.Thread(target=pair.upward, daemon=True).start()
            threading.Thread(target=pair.downward, daemon=True).start()

    def cuts_here(self) -> Cut | None:
        with self._lock:
            self.commands += 1
            return self._how if self.commands == self._at else None

    def _kill(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            # reset rather than a polite end; a thread that reads here would hold the line open
            connection.shutdown(socket.SHUT_RD)
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()
        self._open.discard(connection)

    def kill(self, *connections: socket.socket) -> None:
        for connection in connections:
            self._kill(connection)


class _Pair:
    """The two halves of one line."""

    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket) -> None:
        self.cutter, self.client, self.server = cutter, client, server
        self._swallow = threading.Event()

    def upward(self) -> None:
        while data := self._read(self.client):
            cut = self.cutter.cuts_here()
            if cut is Cut.BEFORE:
                self.cutter.kill(self.client, self.server)
                return
            if cut is Cut.AFTER:
                self._swallow.set()
            with contextlib.suppress(OSError):
                self.server.sendall(data)
        self.cutter.kill(self.server)

    def downward(self) -> None:
        while data := self._read(self.server):
            if self._swallow.is_set():
                self.cutter.kill(self.client, self.server)
                return
            try:
                self.client.sendall(data)
            except OSError:
                break
        self.cutter.kill(self.client)

    def _read(self, connection: socket.socket) -> bytes:
        try:
            return connection.recv(65536)
        except OSError:
            return b""
