"""Embedded mail servers for the demo and for tests: real SMTP and IMAP, no root, no network."""

from __future__ import annotations

import json
import mailbox
import re
import secrets
import select
import smtplib
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from astran.base.errors import MailUnavailable, ToolMissing
from astran.demo.mailhost import HOST

_START_TIME = 60.0
_STOP_TIME = 10.0
_DELIVERY = re.compile(r"(\d+)\.M(\d+)P\d+(?:Q(\d+))?")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail in somebody's mailbox."""

    when: datetime
    """UTC."""
    raw: bytes


class MailServers:
    """SMTP and IMAP on loopback, for as long as the `with` block lasts.

    Parameters
    ----------
    folder : for maildirs and logs
    users : log-in names; each gets a random password

    Raises
    ------
    ToolMissing : aiosmtpd or pymap is not installed
    MailUnavailable : the servers do not start
    """

    host = HOST

    def __init__(self, folder: Path, users: Iterable[str]) -> None:
        self.folder = folder.resolve()
        self.passwords = {user: secrets.token_urlsafe(12) for user in users}
        self.smtp_port = 0
        self.imap_port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MailServers:
        self._need_packages()
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "astran.demo.mailhost"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C at the terminal is for the parent, which then stops the servers in order
                start_new_session=True,
            )
        self._process = process
        try:
            ports = self._order(process)
        except BaseException:
            self.stop()
            raise
        self.smtp_port, self.imap_port = ports["smtp"], ports["imap"]
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        return self.folder / "mailhost.log"

    @property
    def pid(self) -> int | None:
        """Of the process that serves; None when it does not."""
        return self._process.pid if self._process else None

    def _need_packages(self) -> None:
        from importlib.util import find_spec

        missing = [name for name in ("aiosmtpd", "pymap") if find_spec(name) is None]
        if missing:
            raise ToolMissing(
                f"The embedded mail servers need {' and '.join(missing)}.",
                "Install them with: pip install 'astran[demo]'",
            )

    def _order(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"folder": str(self.folder), "users": self.passwords}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], _START_TIME)
        answer = process.stdout.readline() if ready else b""
        if not answer:
            raise MailUnavailable(
                "The embedded mail servers did not start.", f"Their words are in {self.log}."
            )
        ports: dict[str, Any] = json.loads(answer)
        return ports

    def stop(self) -> None:
        """End the servers; also safe when they have ended already."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_STOP_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def send(self, user: str, message: EmailMessage) -> None:
        """Send a mail as a user's mail program does: log in, submit.

        Raises
        ------
        MailUnavailable : the server did not take it
        """
        try:
            with smtplib.SMTP(self.host, self.smtp_port, timeout=20) as smtp:
                smtp.login(user, self.passwords[user])
                smtp.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable(f"The embedded mail server did not take a mail: {error}") from (
                error
            )

    def inbox(self, user: str) -> list[Delivered]:
        """A user's mails, in the order in which they came."""
        box = mailbox.Maildir(self.folder / user, create=False)
        # by file name: what is delivered or flagged meanwhile does not disturb
        found = [(delivery_order(name), name) for name in box.keys()]  # noqa: SIM118 - no mapping
        return [
            Delivered(datetime.fromtimestamp(key[0] + key[1] / 1e6, UTC), box.get_bytes(name))
            for key, name in sorted(found)
        ]


def delivery_order(name: str) -> tuple[int, int, int]:
    """Time (seconds, microseconds) and count in a maildir's file name."""
    match = _DELIVERY.match(name)
    if match is None:
        return (0, 0, 0)
    return int(match[1]), int(match[2]), int(match[3] or 0)
