"""A proxy on loopback before an IMAP server that answers some commands itself, as providers do.

It reads the commands of the client line by line; what it does not answer goes to the server. The
capabilities that a provider lacks are struck out of the server's answers.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.daemon import free_ports

_COMMAND = re.compile(rb"(\S+) ((?:UID )?[A-Z]+)\b ?(.*)", re.I)
HANG_UP = b"* BYE Connection is closed. 13\r\n"
"""As an answer: the line is cut behind it."""


@dataclass
class Fault:
    """A command that the proxy answers: with `{tag}` in place of the command's tag; None: never."""

    command: str
    answer: bytes | None
    holds: str = ""
    """Only commands whose arguments hold this."""
    times: int = 10**9
    """So often; then the server answers again."""


@dataclass
class Provider:
    """What a provider does differently."""

    faults: Sequence[Fault] = ()
    lacks: Sequence[bytes] = ()
    """Capabilities."""
    seen: list[str] = field(default_factory=list)

    def answer(self, line: bytes) -> tuple[bool, bytes | None]:
        """Whether the proxy answers a command itself, and what."""
        match = _COMMAND.match(line)
        if match is None:
            return False, None
        command, arguments = match[2].decode().upper(), match[3].decode(errors="replace")
        self.seen.append(command)
        for fault in self.faults:
            if fault.times and fault.command == command and fault.holds in arguments:
                fault.times -= 1
                found = fault.answer
                return True, found if found is None else found.replace(b"{tag}", match[1])
        return False, None


class ImapProxy:
    """Context manager; `port` leads to the server at `target`, without TLS."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.provider = Provider()
        self._open: list[socket.socket] = []

    def __enter__(self) -> ImapProxy:
        (self.port,) = free_ports(1)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._run(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            _close(each)

    def _run(self, target: Callable[..., None], *values: object) -> None:
        threading.Thread(target=target, args=values, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self._open += [client, server]
            self._run(self._up, client, server)
            self._run(self._down, client, server)

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError), client.makefile("rb") as lines:
            for line in lines:
                own, answer = self.provider.answer(line)
                if not own:
                    server.sendall(line)
                elif answer is not None:
                    client.sendall(answer)
                    if answer.startswith(b"* BYE"):
                        break
        _close(client)
        _close(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                for word in self.provider.lacks:
                    data = data.replace(b" " + word, b" X" + word[1:])
                client.sendall(data)
        _close(client)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
