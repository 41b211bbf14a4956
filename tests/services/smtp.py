"""A throw-away submission server on loopback: STARTTLS and AUTH required, delivers by LMTP.

The server lives in a thread of the test, so that a test can script its answers:

    smtp_server.answer("DATA", "451 4.3.0 try later")           # once, nothing is delivered
    smtp_server.answer("RCPT", "550 5.1.1 no such user", times=3)
    smtp_server.lose_answer()                                   # delivered, then cut before 250
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

from services.certificates import Certificates
from services.daemon import free_ports

HOW = "Install it: pip install aiosmtpd"
AUTHSERV_ID = "mx.astran.test"


@dataclass(frozen=True)
class Taken:
    """A message that the server accepted."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    user: str

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class SmtpServer:
    """Context manager around aiosmtpd; `port` speaks STARTTLS, `tls_port` TLS from the start.

    Mail to `users` is delivered to `lmtp_port`; other recipients are refused. As a provider's
    server would, it stamps each mail with an Authentication-Results header of AUTHSERV_ID: DMARC
    passes where the From address is that of the logged-in user.
    """

    def __init__(
        self, users: Mapping[str, str], certificates: Certificates, lmtp_port: int
    ) -> None:
        self.users = dict(users)
        self.certificates = certificates
        self.lmtp_port = lmtp_port
        self.taken: list[Taken] = []
        self._scripted: dict[str, deque[str]] = defaultdict(deque)
        self._lose = 0

    def __enter__(self) -> SmtpServer:
        from aiosmtpd.controller import Controller

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.certificates.cert, self.certificates.key)
        self.port, self.tls_port = free_ports(2)
        common: dict[str, Any] = {
            "hostname": "127.0.0.1",
            "server_hostname": "localhost",
            "authenticator": self._authenticate,
            "auth_required": True,
            "decode_data": False,
            "enable_SMTPUTF8": True,
            "data_size_limit": 30_000_000,
        }
        self._controllers = [
            Controller(self, port=self.port, tls_context=tls, require_starttls=True, **common),
            # the protocol does not know that it is inside TLS already
            Controller(self, port=self.tls_port, ssl_context=tls, auth_require_tls=False, **common),
        ]
        for controller in self._controllers:
            controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        for controller in self._controllers:
            controller.stop()

    # what a test asks for

    def answer(self, verb: str, reply: str, times: int = 1) -> None:
        """Give `reply` to the next commands of that kind: AUTH, MAIL, RCPT or DATA."""
        if verb not in ("AUTH", "MAIL", "RCPT", "DATA"):
            raise ValueError(f"{verb} cannot be scripted")
        self._scripted[verb].extend([reply] * times)

    def lose_answer(self, times: int = 1) -> None:
        """Deliver the next messages, but cut the connection instead of saying so."""
        self._lose += times

    def reset(self) -> None:
        """Forget scripted answers and taken messages."""
        self.taken.clear()
        self._scripted.clear()
        self._lose = 0

    # what aiosmtpd calls

    def _next(self, verb: str) -> str | None:
        queue = self._scripted[verb]
        return queue.popleft() if queue else None

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, method: str, data: Any
    ) -> Any:
        from aiosmtpd.smtp import AuthResult

        scripted = self._next("AUTH")
        if scripted:
            return AuthResult(success=False, handled=False, message=scripted)
        user, password = data.login.decode(), data.password.decode()
        good = user in self.users and self.users[user] == password
        return AuthResult(success=good, handled=False, auth_data=user if good else None)

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        scripted = self._next("MAIL")
        if scripted:
            return scripted
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        scripted = self._next("RCPT")
        if scripted:
            return scripted
        if address.lower() not in self.users:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        scripted = self._next("DATA")
        if scripted:
            return scripted
        user = str(session.auth_data)
        data = stamp(bytes(envelope.original_content), user)
        recipients = tuple(envelope.rcpt_tos)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self._deliver, envelope.mail_from, recipients, data)
        except (smtplib.SMTPException, OSError) as error:
            return f"451 4.3.0 cannot deliver: {error}"[:400].replace("\n", " ")
        self.taken.append(Taken(envelope.mail_from or "", recipients, data, user))
        if self._lose:
            self._lose -= 1
            server.transport.abort()
        return "250 2.0.0 delivered"

    def _deliver(self, sender: str | None, recipients: tuple[str, ...], data: bytes) -> None:
        with smtplib.LMTP("127.0.0.1", self.lmtp_port, timeout=20) as connection:
            # LMTP answers once for each recipient, smtplib reads one answer: one mail for each
            for recipient in recipients:
                connection.sendmail(sender or "", [recipient], data)


def stamp(data: bytes, user: str) -> bytes:
    """Put the provider's word about the sender on top (RFC 8601)."""
    parsed = message_from_bytes(data, policy=policy.default)
    author = parseaddr(str(parsed.get("From", "")))[1].lower()
    verdict = "pass" if author == user.lower() else "fail"
    domain = author.rpartition("@")[2] or "unknown"
    line = f"Authentication-Results: {AUTHSERV_ID}; dmarc={verdict} header.from={domain}\r\n"
    return line.encode("ascii", "replace") + data
