"""The light look at the database agrees with the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from astran.base.states import AnalysisState
from astran.store import analyses, mailbox, outbox
from astran.store.analyses import Origin
from astran.store.database import Database
from astran.store.glance import Glance, glance
from astran.store.mailbox import Cursor, Incoming
from astran.store.version import HEAD

NOW = datetime(2023, 12, 8, 6, tzinfo=UTC)


def test_a_glance_sees_all_that_there_is_to_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/astran.sqlite"
    assert glance(url, HEAD, "m", NOW) is None, "no database yet"
    db = Database.open(url)
    assert glance(url, HEAD, "m", NOW) is None, "never read"
    with db.begin() as c:
        mailbox.set_cursor(c, "m", Cursor(7, 3))
    quiet = Glance(True, 7, 3)
    assert glance(url, HEAD, "m", NOW) == quiet
    assert glance(url, "other", "m", NOW) is None, "another schema"

    with db.begin() as c:
        live = analyses.create(c, NOW, Origin(), "Crab20231207", {}, tmp_path, "")
    assert not _quiet(url)
    with db.begin() as c:
        analyses.move(c, NOW, live, AnalysisState.FAILED)
    assert glance(url, HEAD, "m", NOW) == quiet

    with db.begin() as c:
        outbox.put(c, NOW, "report", "ann@x", "<r@x>", "s", b"raw")
    assert not _quiet(url)
    assert not _quiet(url, NOW + timedelta(microseconds=1))
    assert _quiet(url, NOW - timedelta(microseconds=1)), "not due yet"
    with db.begin() as c:
        (mail,) = outbox.due(c, NOW)
        outbox.move(c, mail, outbox.MailState.SENT)
    assert _quiet(url)

    with db.begin() as c:
        row = mailbox.add(
            c, Incoming("m", 7, 4, "<a@x>", "ann@x", "s", "take", "", NOW, None, "Processed")
        )
        assert row is not None
    assert not _quiet(url)
    with db.begin() as c:
        mailbox.moved(c, row)
    assert _quiet(url)
    db.close()


def _quiet(url: str, now: datetime = NOW) -> bool:
    seen = glance(url, HEAD, "m", now)
    assert seen is not None
    return seen.quiet
