"""How the service is, as its page tells."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astran.config.site import SchedulerSettings, SiteConfig
from astran.database import chores, outbox
from astran.database.chores import Hold
from astran.database.connection import Database
from astran.database.schema.tables import outgoing_mail
from astran.report.pages.page_data import Health
from astran.service.context import Context
from astran.service.heartbeat import heartbeat_path, write_heartbeat
from astran.service.operator.health import describe_health

NOW = datetime(2023, 12, 8, 9, tzinfo=UTC)


class Hands:
    """A clock that a test moves."""

    time = NOW

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    site = SiteConfig(site="LST-1", workdir=tmp_path, scheduler=SchedulerSettings())
    return Context(site, Database.open(site.database_url), Hands(), sys.executable)


def look(context: Context) -> Health:
    with context.db.begin() as db:
        return describe_health(context, db)


def test_all_is_well(context: Context) -> None:
    write_heartbeat(context.site, context.clock, ())
    seen = look(context)
    assert seen.troubles == ()
    assert dict(seen.facts)["Analyses under way"] == "0"
    assert dict(seen.facts)["Last step of the service"] == "2023-12-08 09:00 UTC"


def test_a_service_that_never_ran(context: Context) -> None:
    assert "never run" in look(context).troubles[0]
    heartbeat_path(context.site).write_text("{")
    assert "never run" in look(context).troubles[0]


def test_a_service_that_stopped(context: Context) -> None:
    write_heartbeat(context.site, context.clock, ())
    assert isinstance(context.clock, Hands)
    context.clock.time = NOW + timedelta(hours=3)
    assert look(context).troubles == ("The launcher was last heard of 3 h 00 min ago.",)


def test_faults_are_counted_but_not_quoted(context: Context) -> None:
    write_heartbeat(
        context.site, context.clock, ["A1: My secret source has no DL1", "mailbox: gone"]
    )
    (trouble,) = look(context).troubles
    assert "2 faults" in trouble
    assert "secret" not in json.dumps(look(context).facts) + trouble


def test_log_ins_and_mails(context: Context) -> None:
    write_heartbeat(context.site, context.clock, ())
    with context.db.begin() as db:
        chores.set_hold(db, "imap", Hold(NOW + timedelta(hours=1), 3, "refused"))
        for number in (1, 2):
            outbox.enqueue(db, NOW, "report", "a@x.example", f"<{number}@x>", "s", b"")
        dead = outgoing_mail.update().where(outgoing_mail.c.message_id == "<1@x>")
        db.execute(dead.values(state="dead"))
    seen = look(context)
    assert seen.troubles == (
        "The mailbox refuses the log-in; next try at 10:00 UTC.",
        "1 mail could not be delivered.",
    )
    assert dict(seen.facts)["Mails to be sent"] == "1"
