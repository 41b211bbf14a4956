"""`cc:` in a request: the report goes to further readers, as long as the site allows them."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from mail_desk import Desk
from mail_house import ALICE, LAUNCH

from astran.base.states import AnalysisState
from astran.database import analyses
from astran.service.reporting.reports import report_expired

EVA = "eva@uni.test"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, readers=["@uni.test"])
    yield made
    made.db.close()


def end(desk: Desk) -> None:
    with desk.db.begin() as db:
        [analysis] = analyses.newest_analyses(db, 1)
        analyses.move_analysis(db, desk.clock.now(), analysis, AnalysisState.WAITING)
        fresh = analyses.get_analysis(db, analysis.id)
    report_expired(desk.context(), fresh, "the data did not come", [])


def reports(desk: Desk) -> list[tuple[str, str]]:
    rows = desk.rows("select kind, recipient from outgoing_mail where kind like 'report%'")
    return sorted((str(kind), str(recipient)) for kind, recipient in rows)


def test_the_report_goes_to_the_readers(desk: Desk) -> None:
    desk.box.add(desk.raw("ASTRAN-LAUNCH", f"{LAUNCH}cc: {EVA}, {ALICE}\n"))
    desk.read()
    [[raw]] = desk.rows("select raw from outgoing_mail where kind = 'confirmation'")
    assert isinstance(raw, bytes)
    text = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    assert text is not None
    assert f"The report goes to {EVA} as well." in " ".join(text.get_content().split())
    end(desk)
    assert reports(desk) == [("report", ALICE), ("report-copy", EVA)]


def test_who_was_taken_off_the_list_meanwhile_gets_none(desk: Desk) -> None:
    desk.box.add(desk.raw("ASTRAN-LAUNCH", f"{LAUNCH}cc: {EVA}\n"))
    desk.read()
    assert desk.site.mail is not None
    mail = desk.site.mail.model_copy(update={"readers": ()})
    desk.site = desk.site.model_copy(update={"mail": mail})
    end(desk)
    assert reports(desk) == [("report", ALICE)]


def test_a_reader_who_is_not_allowed_is_named_and_nothing_starts(desk: Desk) -> None:
    desk.box.add(desk.raw("ASTRAN-LAUNCH", f"{LAUNCH}cc: eve@evil.test\n"))
    desk.read()
    assert desk.analyses() == 0
    assert desk.letters("eve@evil.test") == []
    assert len(desk.letters(ALICE)) == 1
