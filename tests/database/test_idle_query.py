"""The light look at the database agrees with the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from services.postgres import Postgres

from astran.base.states import AnalysisState
from astran.database import analyses, chores, messages, outbox
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.idle_query import IdleSummary, summarise_idle
from astran.database.messages import Cursor, Incoming
from astran.database.schema.version import HEAD

NOW = datetime(2023, 12, 8, 6, tzinfo=UTC)


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)],
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/astran.sqlite"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url(server.new_database())


def test_a_glance_sees_all_that_there_is_to_do(url: str, tmp_path: Path) -> None:
    assert summarise_idle(url, HEAD, "m", NOW) is None, "no database yet"
    db = Database.open(url)
    assert summarise_idle(url, HEAD, "m", NOW) is None, "never read"
    with db.begin() as c:
        messages.set_cursor(c, "m", Cursor(7, 3))
    quiet = IdleSummary(True, 7, 3)
    assert summarise_idle(url, HEAD, None, NOW) == IdleSummary(True), "a site without a mailbox"
    assert summarise_idle(url, HEAD, "m", NOW) == quiet
    assert summarise_idle(url, "other", "m", NOW) is None, "another schema"

    with db.begin() as c:
        live = analyses.create_analysis(c, NOW, RequestOrigin(), "Crab20231207", {}, tmp_path, "")
    assert not _quiet(url)
    with db.begin() as c:
        analyses.move_analysis(c, NOW, live, AnalysisState.FAILED)
    assert summarise_idle(url, HEAD, "m", NOW) == quiet

    with db.begin() as c:
        outbox.enqueue(c, NOW, "report", "ann@x", "<r@x>", "s", b"raw")
    assert not _quiet(url)
    assert not _quiet(url, NOW + timedelta(microseconds=1))
    assert _quiet(url, NOW - timedelta(microseconds=1)), "not due yet"
    with db.begin() as c:
        chores.set_hold(c, "imap", chores.Hold(NOW + timedelta(minutes=1), 1, "refused"))
    seen = summarise_idle(url, HEAD, "m", NOW)
    assert seen is not None and seen.held
    assert seen.unsent_since == NOW
    with db.begin() as c:
        chores.release_hold(c, "imap")
        (mail,) = outbox.due_mails(c, NOW)
        outbox.move_mail(c, mail, outbox.MailState.SENT)
    assert _quiet(url)

    with db.begin() as c:
        row = messages.add_message(
            c, Incoming("m", 7, 4, "<a@x>", "ann@x", "s", "take", "", NOW, None, "Processed")
        )
        assert row is not None
    assert not _quiet(url)
    with db.begin() as c:
        messages.not_moved(c, row, NOW)
    assert _quiet(url), "refused a moment ago"
    assert not _quiet(url, NOW + timedelta(minutes=1))
    with db.begin() as c:
        messages.mark_moved(c, row)
        messages.put_off(c, "m", 7, 2, NOW, "left out", fault=False)
    assert _quiet(url)
    assert not _quiet(url, NOW + timedelta(minutes=1))
    with db.begin() as c:
        messages.settle(c, "m", 7, 2)
    assert _quiet(url, NOW + timedelta(minutes=1))
    db.close()


def test_a_database_that_cannot_be_looked_at_is_left_to_the_real_tick(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_text("no database")
    nowhere = "127.0.0.1:1/astran?connect_timeout=2"
    for url in (
        f"sqlite:///{tmp_path}/a.sqlite",
        f"postgresql+psycopg://astran@{nowhere}",
        f"postgresql://astran@{nowhere}",
        "mysql://astran@127.0.0.1/astran",
    ):
        assert summarise_idle(url, HEAD, None, NOW) is None


def _quiet(url: str, now: datetime = NOW) -> bool:
    seen = summarise_idle(url, HEAD, "m", now)
    assert seen is not None
    return seen.quiet
