"""The service with real mail servers in one process: a clock to set, ticks, mails to send."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from e2e.site_under_test import empty
from imap_tools import MailBox, MailMessage
from services.dovecot import Dovecot
from services.smtp import AUTHSERV_ID, SmtpServer

from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database.connection import Database
from astran.service.context import Context
from astran.service.tick import TickResult, run_tick

SERVICE, ALICE, BOB = "astran@astran.test", "alice@astran.test", "bob@astran.test"
OPERATOR = "operator@astran.test"
LAUNCH = "target: Crab\ndate: 20231207\n"


class SetClock:
    """Stands where it is put."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class MailHouse:
    """One installation."""

    def __init__(
        self,
        folder: Path,
        dovecot: Dovecot,
        smtp: SmtpServer,
        *,
        data: dict[str, Any] | None = None,
        work: str = "work",
        **mail: Any,
    ) -> None:
        self.folder, self.dovecot, self.smtp = folder, dovecot, smtp
        secret = folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(dovecot.users[SERVICE])
        common = {
            "host": "localhost",
            "user": SERVICE,
            "password": {"file": str(secret)},
            "ca_file": str(dovecot.ca_file),
            "timeout": 10,
        }
        settings = {
            "site": "Test",
            "workdir": str(folder / work),
            "scheduler": {"kind": "local"},
            "data": data or {},
            "mail": {
                "address": SERVICE,
                "allow": [ALICE],
                "operator": OPERATOR,
                "authserv_id": AUTHSERV_ID,
                "imap": {**common, "port": dovecot.imaps_port},
                "smtp": {**common, "port": smtp.port, "security": "starttls"},
                **mail,
            },
        }
        self.site = build_settings(SiteConfig, settings, "the test site")
        self.clock = SetClock(datetime(2023, 12, 8, 9, tzinfo=UTC))
        self.db = Database.open(self.site.database_url)
        self.log: pytest.LogCaptureFixture | None = None
        self._number = 0

    @property
    def context(self) -> Context:
        return Context(self.site, self.db, self.clock, "python")

    def tick(self, expect_faults: bool = False) -> TickResult:
        """One tick, a minute after the last one."""
        self.clock.sleep(60)
        result = run_tick(self.context)
        assert bool(result.faults) is expect_faults, result.faults
        return result

    def raw(self, subject: str, body: str = "", sender: str = ALICE, **headers: str) -> bytes:
        """A mail as the mail server has it for the service."""
        self._number += 1
        domain = sender.rpartition("@")[2]
        fields = {
            "Authentication-Results": f"{AUTHSERV_ID}; dmarc=pass header.from={domain}",
            "From": sender,
            "To": SERVICE,
            "Subject": subject,
            "Message-ID": f"<{self._number}.{id(self)}@client.test>",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        return f"{head}\r\n{body}".encode()

    def send(self, subject: str, body: str = "", sender: str = ALICE, **headers: str) -> bytes:
        raw = self.raw(subject, body, sender, **headers)
        self.dovecot.deliver(raw, SERVICE, sender)
        return raw

    def box(self, user: str = ALICE, folder: str = "INBOX") -> list[MailMessage]:
        """All mails in a folder of somebody, oldest first, without the service's own copies."""
        with self._login(user) as session:
            if not session.folder.exists(folder):
                return []
            session.folder.set(folder)
            mails = session.fetch(mark_seen=False)
            return [mail for mail in mails if user != SERVICE or mail.from_ != SERVICE]

    def subjects(self, user: str = ALICE, folder: str = "INBOX") -> list[str]:
        return [mail.subject for mail in self.box(user, folder)]

    def _login(self, user: str) -> MailBox:
        trust = ssl.create_default_context(cafile=str(self.dovecot.ca_file))
        box = MailBox("localhost", self.dovecot.imaps_port, ssl_context=trust)
        return box.login(user, self.dovecot.users[user])

    def count(self, query: str) -> int:
        with self.db.begin() as db:
            return int(db.exec_driver_sql(query).scalar_one())


def house(tmp_path: Path, dovecot: Dovecot, smtp: SmtpServer, **more: Any) -> Iterator[MailHouse]:
    """For fixtures: empty mailboxes, one installation."""
    empty(dovecot)
    made = MailHouse(tmp_path, dovecot, smtp, **more)
    yield made
    made.db.close()
