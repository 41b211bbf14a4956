"""The intake without servers: a mailbox in memory, a store, a clock that is set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fakes.mailbox import FakeMailbox, TroubledMailbox
from mail_house import ALICE, LAUNCH, OPERATOR, SERVICE, SetClock

from astran.base.errors import MailError
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database.connection import Database
from astran.mail.parsing.headers import read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.service.context import Context
from astran.service.intake import mailbox
from astran.service.intake.mailbox import Intake
from astran.service.operator import mailbox_outages
from astran.service.operator.mailbox_outages import MailboxTrouble

AUTHSERV = "mx.astran.test"


class Desk:
    """One installation that reads a mailbox in memory."""

    def __init__(self, folder: Path, database: str = "", **mail: object) -> None:
        server = {"host": "localhost", "port": 1}
        settings = {
            "site": "Test",
            "workdir": str(folder / "work"),
            "scheduler": {"kind": "local"},
            "mail": {
                "address": SERVICE,
                "allow": [ALICE],
                "operator": OPERATOR,
                "authserv_id": AUTHSERV,
                "imap": server,
                "smtp": server,
                **mail,
            },
        }
        if database:
            settings["database"] = database
        self.site = build_settings(SiteConfig, settings, "the test site")
        self.clock = SetClock(datetime(2023, 12, 8, 9, tzinfo=UTC))
        self.db = Database.open(self.site.database_url)
        self.box: FakeMailbox = TroubledMailbox()
        self._number = 0

    @property
    def troubled(self) -> TroubledMailbox:
        assert isinstance(self.box, TroubledMailbox)
        return self.box

    def context(self) -> Context:
        """As of a process that has just begun."""
        return Context(self.site, self.db, self.clock, "python")

    def raw(self, title: str, body: str = "", sender: str = ALICE, **headers: str) -> bytes:
        self._number += 1
        domain = sender.rpartition("@")[2]
        fields = {
            "Authentication-Results": f"{AUTHSERV}; dmarc=pass header.from={domain}",
            "From": sender,
            "To": SERVICE,
            "Subject": title,
            "Message-ID": f"<{self._number}@client.test>",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        return f"{head}\r\n{body}".encode("utf-8", "surrogateescape")

    def launch(self, **headers: str) -> int:
        """Deliver a good launch; returns its UID."""
        return self.box.add(self.raw("ASTRAN-LAUNCH", LAUNCH, **headers))

    def read(self, minutes: float = 1) -> Intake:
        """One look into the mailbox, some time after the last one."""
        self.clock.sleep(60 * minutes)
        context = self.context()
        try:
            return mailbox.read_mailbox(context, self.box)
        except MailError as error:
            with self.db.begin() as db:
                mailbox_outages.note_outage(context, db, MailboxTrouble.AWAY, str(error))
            return Intake(0, (str(error),))

    def folder(self, name: str) -> list[str]:
        """Subjects of the mails in a folder."""
        mails = self.box.folders.get(name, {}).values()
        return [MailFacts(read_message(raw)).subject for raw in mails]

    def analyses(self) -> int:
        return int(self.rows("select count(*) from analysis")[0][0])

    def rows(self, query: str) -> Sequence[tuple[object, ...]]:
        with self.db.begin() as db:
            return [tuple(row) for row in db.exec_driver_sql(query)]

    def letters(self, to: str = OPERATOR) -> list[str]:
        """Subjects of the letters to somebody."""
        query = f"select subject from outgoing_mail where recipient = '{to}' order by id"
        return [str(row[0]) for row in self.rows(query)]

    def wait(self, length: timedelta) -> None:
        self.clock.sleep(length.total_seconds())
