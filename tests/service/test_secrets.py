"""A sender's secret is used to verify the mail, and then is nowhere: store, log, letters, pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_house import ALICE, LAUNCH, OPERATOR, SERVICE, MailHouse, house
from services.dovecot import Dovecot
from services.smtp import SmtpServer
from sqlalchemy import insert

from astran.cli.main import main
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.service.intake import mailbox

WORD = "kestrel-and-heron"
OTHER = "misremembered-word"
TAGGED = f"Service <astran+{WORD}@astran.test>"


@pytest.fixture
def mails(
    tmp_path: Path,
    dovecot: Dovecot,
    smtp_server: SmtpServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[MailHouse]:
    monkeypatch.setenv("ASTRAN_TEST_SECRET", WORD)
    secrets = {ALICE: {"env": "ASTRAN_TEST_SECRET"}}
    caplog.set_level("DEBUG", "astran")
    for made in house(
        tmp_path, dovecot, smtp_server, authserv_id="", secrets=secrets, daily_digest=True
    ):
        made.log = caplog
        yield made


def assert_nowhere(mails: MailHouse, *words: str) -> None:
    """In no file of the site, no line of the log, no letter."""
    assert mails.log is not None
    mails.db.close()
    work = mails.site.workdir
    kept = [path.read_bytes() for path in work.rglob("*") if path.is_file()]
    letters = [mail.obj.as_bytes() for user in (ALICE, OPERATOR) for mail in mails.box(user)]
    letters += [mail.text.encode() for user in (ALICE, OPERATOR) for mail in mails.box(user)]
    for data in (*kept, *letters, mails.log.text.encode()):
        for word in words:
            assert word.encode() not in data


def test_a_launch(mails: MailHouse) -> None:
    mails.send("ASTRAN-LAUNCH", f"{LAUNCH}secret: {WORD}\n")
    mails.tick()
    assert mails.count("select count(*) from analysis") == 1
    assert mails.count("select count(*) from message where raw is not null") == 1
    assert mails.log is not None and "mail take" in mails.log.text
    assert_nowhere(mails, WORD)


def test_one_in_the_address(mails: MailHouse) -> None:
    mails.send("ASTRAN-LAUNCH", LAUNCH, To=TAGGED)
    mails.tick()
    assert mails.count("select count(*) from analysis") == 1
    assert_nowhere(mails, WORD)


def test_one_in_the_subject_of_an_answer(mails: MailHouse) -> None:
    mails.send(f"ASTRAN-LAUNCH secret: {WORD}", f"{LAUNCH}secret: {WORD}\n")
    mails.tick()
    mails.tick()
    subjects = mails.subjects()
    # the confirmation answers the subject; that of a report is its result
    assert any("secret: [cut]" in subject for subject in subjects)
    assert not any(WORD in subject for subject in subjects)
    assert_nowhere(mails, WORD)


def test_a_launch_with_problems_is_quoted_without_it(mails: MailHouse) -> None:
    mails.send("ASTRAN-LAUNCH", f"target: Nowhere 7\nkey: {WORD}\nsecret: {WORD}\n")
    mails.tick()
    mails.tick()
    (letter,) = mails.box()
    assert "Nowhere 7" in letter.text
    assert_nowhere(mails, WORD)


def test_a_wrong_one_in_quarantine(mails: MailHouse) -> None:
    mails.send(f"ASTRAN-LAUNCH secret: {OTHER}", f"{LAUNCH}secret: {OTHER}\n")
    for _ in range(26 * 60 // 240):
        mails.clock.sleep(4 * 3600)
        mails.tick()
    assert mails.subjects(SERVICE, "ASTRAN/Quarantine")
    assert mails.box(OPERATOR)
    assert_nowhere(mails, OTHER)


def test_a_fault_with_the_mail(mails: MailHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ValueError(f"cannot read 'secret: {WORD}'")

    monkeypatch.setattr(mailbox, "decide_mail", fail)
    # believed by its headers: only then is a fault told
    mails.site = mails.site.model_copy(
        update={"mail": mails.context.mail.model_copy(update={"trust_from": True})}
    )
    mails.send("ASTRAN-LAUNCH", f"{LAUNCH}secret: {WORD}\n")
    for tries_left in (2, 1, 0, 0):
        mails.tick(expect_faults=tries_left > 0)
        mails.clock.sleep(3600)
    assert any("set aside" in subject for subject in mails.subjects(OPERATOR))
    assert_nowhere(mails, WORD)


def test_old_mails_are_cleaned_by_the_upgrade(
    mails: MailHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = mails.raw("ASTRAN-LAUNCH", f"{LAUNCH}secret: {WORD}\n", To=TAGGED)
    harmless = mails.raw("ASTRAN-LAUNCH", LAUNCH)
    now = mails.clock.now()
    values = {"mailbox": "b", "uidvalidity": 1, "sender": ALICE, "verdict": "take", "folder": ""}
    with mails.db.begin() as db:
        for uid, one in enumerate((raw, harmless, None)):
            row = {"uid": uid, "message_id": f"<{uid}@x>", "raw": one, "received": now, **values}
            db.execute(insert(t.message).values(subject=f"secret: {WORD}", **row))
    mails.db.close()
    assert WORD.encode() in (mails.site.workdir / "astran.sqlite").read_bytes()
    site = tmp_path / "site.yml"
    site.write_text(mails.site.model_dump_json(exclude_none=True))
    for expected in ("cut out of 3 stored mails", "schema version"):
        assert main(["db", "upgrade", "--site", str(site)]) == 0
        assert expected in capsys.readouterr().out
    assert_nowhere(mails, WORD)
    store = Database(mails.site.database_url)
    with store.begin() as db:
        kept = db.exec_driver_sql("select raw from message order by uid").scalars().all()
    store.close()
    assert b"target: Crab" in kept[0]
    assert kept[1:] == [harmless, None]
