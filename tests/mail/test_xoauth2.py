"""Log-in by OAuth2 access token, at servers that take nothing else."""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mail_samples import OWN, settings

from astran.base.errors import MailAuthError
from astran.config.secrets import Secret
from astran.config.site import Auth, Security, Server
from astran.mail.imap import Inbox
from astran.mail.smtp import SmtpPostman

GOOD = base64.b64encode(f"user={OWN}\1auth=Bearer fresh-token\1\1".encode()).decode()


class Imap(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\r\n")
        while line := self.rfile.readline().decode().strip():
            tag, verb, *_ = line.split()
            match verb.upper():
                case "CAPABILITY":
                    self.wfile.write(b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\n")
                case "AUTHENTICATE":
                    self.wfile.write(b"+ \r\n")
                    if self.rfile.readline().decode().strip() != GOOD:
                        self.wfile.write(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")
                        self.rfile.readline()
                        self.wfile.write(f"{tag} NO AUTHENTICATE failed\r\n".encode())
                        continue
                case "SELECT" | "EXAMINE":
                    self.wfile.write(
                        b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4] x\r\n"
                    )
                case "LOGOUT":
                    self.wfile.write(f"* BYE\r\n{tag} OK\r\n".encode())
                    return
            self.wfile.write(f"{tag} OK done\r\n".encode())


class Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().decode().strip():
            match line.split():
                case ["EHLO", *_]:
                    self.wfile.write(b"250-here\r\n250 AUTH XOAUTH2\r\n")
                case ["AUTH", "XOAUTH2", words]:
                    if words == GOOD:
                        self.wfile.write(b"235 good\r\n")
                    else:
                        self.wfile.write(b"334 eyJzdGF0dXMiOiI0MDAifQ==\r\n")
                        self.rfile.readline()
                        self.wfile.write(b"535 5.7.8 not accepted\r\n")
                case ["QUIT"]:
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 ok\r\n")


@contextmanager
def serving(handler: type[socketserver.StreamRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def at(port: int, folder: Path, token: str) -> Server:
    """A log-in whose token is printed by a command."""
    path = folder / "token"
    path.write_text(token)
    secret = Secret(command=("cat", str(path)))
    return Server(
        host="127.0.0.1", port=port, security=Security.NONE, user=OWN, password=secret,
        auth=Auth.XOAUTH2, timeout=5,
    )  # fmt: skip


def test_the_mailbox(tmp_path: Path) -> None:
    with serving(Imap) as port:
        with Inbox(settings(imap=at(port, tmp_path, "fresh-token"))) as inbox:
            assert inbox.uidvalidity == 7
        with (
            pytest.raises(MailAuthError),
            Inbox(settings(imap=at(port, tmp_path, "stale-token"))),
        ):
            pass


def test_the_submission_server(tmp_path: Path) -> None:
    with serving(Smtp) as port:
        SmtpPostman(at(port, tmp_path, "fresh-token")).check()
        with pytest.raises(MailAuthError):
            SmtpPostman(at(port, tmp_path, "stale-token")).check()
