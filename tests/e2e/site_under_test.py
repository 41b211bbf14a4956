"""A whole ASTRAN installation for a test: site file, launcher, and a user with a mailbox."""

from __future__ import annotations

import os
import random
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

import yaml
from imap_tools import MailBox, MailMessage
from services.dovecot import Dovecot
from services.smtp import AUTHSERV_ID, SmtpServer

LOCAL = {"kind": "local", "local": {"cores": 2, "memory_mb": 64000}}
SERVICE, ALICE, OPERATOR = "astran@astran.test", "alice@astran.test", "operator@astran.test"


def empty(dovecot: Dovecot) -> None:
    """Delete every mail of every user."""
    trust = ssl.create_default_context(cafile=str(dovecot.ca_file))
    for user, password in dovecot.users.items():
        with MailBox("localhost", dovecot.imaps_port, ssl_context=trust).login(
            user, password
        ) as session:
            for folder in session.folder.list():
                if "\\Noselect" in folder.flags:
                    continue
                session.folder.set(folder.name)
                session.delete(session.uids())


@dataclass
class SiteUnderTest:
    """Site configuration on disk, and what a user and cron do with it."""

    folder: Path
    dovecot: Dovecot
    smtp: SmtpServer
    data: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    database: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = True
    lstchain: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workdir = self.folder / "work"
        self.file = self.folder / "site.yml"
        secret = self.folder / "password"
        secret.write_text(self.dovecot.users[SERVICE] + "\n")
        secret.chmod(0o600)
        log_in = {"user": SERVICE, "password": {"file": str(secret)}}
        trust = {"host": "localhost", "ca_file": str(self.dovecot.ca_file)}
        bin_folder = str(Path(sys.executable).parent)
        site = {
            "site": "Test site",
            "workdir": str(self.workdir),
            "simulated": self.simulated,
            "mail": {
                "address": SERVICE,
                "operator": OPERATOR,
                "allow": [ALICE],
                "authserv_id": AUTHSERV_ID,
                "copy_grace_s": 3.0,
                "imap": {**trust, **log_in, "port": self.dovecot.imaps_port, "security": "tls"},
                "smtp": {**trust, **log_in, "port": self.smtp.port, "security": "starttls"},
            },
            "scheduler": dict(self.scheduler),
            "lstchain": dict(self.lstchain)
            or {"default": "here", "environments": {"here": {"bin": bin_folder}}},
            "data": dict(self.data),
        }
        if self.database:
            site["database"] = self.database
        self.file.write_text(yaml.safe_dump(site))

    def send(self, subject: str, body: str, sender: str = ALICE) -> str:
        """Send a mail to the service as a user's mail program does; returns its Message-ID."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, SERVICE, subject
        mail["Date"], mail["Message-ID"] = formatdate(localtime=True), make_msgid(domain="a.test")
        mail.set_content(body)
        trust = ssl.create_default_context(cafile=str(self.dovecot.ca_file))
        with smtplib.SMTP("localhost", self.smtp.port) as connection:
            connection.starttls(context=trust)
            connection.login(sender, self.dovecot.users[sender])
            connection.send_message(mail)
        return str(mail["Message-ID"])

    def inbox(self, user: str = ALICE, folder: str = "INBOX") -> list[MailMessage]:
        """All mails of a user, oldest first."""
        trust = ssl.create_default_context(cafile=str(self.dovecot.ca_file))
        box = MailBox("localhost", self.dovecot.imaps_port, ssl_context=trust)
        with box.login(user, self.dovecot.users[user], initial_folder=folder) as session:
            return list(session.fetch(mark_seen=False))

    def launcher(self, crash: str = "") -> subprocess.Popen[str]:
        """Start one tick; `crash` names a moment of e2e/crashing_launcher.py."""
        program = [str(Path(__file__).with_name("crashing_launcher.py")), crash]
        return subprocess.Popen(
            [
                sys.executable,
                *(program if crash else ["-m", "astran.cli.launcher"]),
                *("--site", str(self.file)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self.environment},
        )

    def tick(self, expect: int | None = 0) -> str:
        """One tick to its end; returns what it printed."""
        process = self.launcher()
        said, _ = process.communicate(timeout=120)
        if expect is not None:
            assert process.returncode == expect, said
        return said

    def tick_and_kill(self, after_s: float) -> bool:
        """Start a tick and kill it with -9 after a while; False where it had ended before."""
        process = self.launcher()
        try:
            process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        return False

    def run_until(self, word: str, timeout: float, kills: int = 0, seed: int = 1) -> list[str]:
        """Tick until a mail whose subject holds `word` is in Alice's inbox; `kills` ticks are
        killed at random moments on the way. Returns the output of the ticks."""
        chance = random.Random(seed)
        until = time.monotonic() + timeout
        said: list[str] = []
        while time.monotonic() < until:
            if kills:
                # most moments lie within the life of a tick that does something
                kills -= self.tick_and_kill(chance.uniform(0.05, 1.2))
            else:
                said.append(self.tick(expect=None))
            if any(word in mail.subject for mail in self.inbox()):
                assert kills <= 0, f"the night ended {kills} kills too early"
                return said
            time.sleep(0.5)
        raise AssertionError(f"no mail with {word!r} in {timeout:g} s:\n{''.join(said)[-4000:]}")
