"""From the mailbox to the store and back, on a real IMAP and a real SMTP server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from e2e.site_under_test import empty
from mail_house import ALICE, BOB, LAUNCH, OPERATOR, SERVICE, MailHouse
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.database import messages
from astran.service.idle import nothing_to_do
from astran.service.outgoing import login_backoff

pytestmark = pytest.mark.services


@pytest.fixture
def house(tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer) -> Iterator[MailHouse]:
    empty(dovecot)
    # a site that does not say where DL1 lies: analyses end at once, with a report
    made = MailHouse(tmp_path, dovecot, smtp_server)
    yield made
    made.db.close()


def analyses(house: MailHouse) -> int:
    return house.count("select count(*) from analysis")


def test_each_mail_goes_where_it_belongs(house: MailHouse) -> None:
    house.send("ASTRAN-LAUNCH", LAUNCH)
    house.send("ASTRAN-LAUNCH", "target: Crab\n")
    house.send("Lunch?", "at noon")
    house.send("ASTRAN-LAUNCH", LAUNCH, sender=BOB)
    house.send("ASTRAN-LAUNCH", LAUNCH, Authentication_Results="x; none")
    house.send("Automatic reply: ASTRAN-LAUNCH", LAUNCH)
    house.tick()
    assert analyses(house) == 1
    assert house.subjects(SERVICE) == ["Lunch?"]
    assert house.subjects(SERVICE, "ASTRAN/Processed") == ["ASTRAN-LAUNCH"]
    assert len(house.box(SERVICE, "ASTRAN/Rejected")) == 3
    assert len(house.box(SERVICE, "ASTRAN/Quarantine")) == 1
    assert not any(mail.flags and "\\Seen" in mail.flags for mail in house.box(SERVICE))
    answers = house.subjects()
    assert sum("accepted" in subject for subject in answers) == 1
    assert sum("not started: 1 problem" in subject for subject in answers) == 1
    assert len(house.box(BOB)) == 1


def test_a_stranger_is_refused_once_a_day(house: MailHouse) -> None:
    for _ in range(3):
        house.send("ASTRAN-LAUNCH", LAUNCH, sender=BOB)
    house.tick()
    assert len(house.box(BOB)) == 1
    house.clock.sleep(86400)
    house.send("ASTRAN-HELP", sender=BOB)
    house.tick()
    assert len(house.box(BOB)) == 2


def test_a_copy_does_not_launch_again(house: MailHouse) -> None:
    raw = house.send("ASTRAN-LAUNCH", LAUNCH)
    house.tick()
    house.dovecot.deliver(raw, SERVICE, ALICE)
    house.tick()
    # as after a move of the mailbox: every mail has a new number
    with house.db.begin() as db:
        db.exec_driver_sql("update mailbox_cursor set uidvalidity = 1, last_uid = 0")
        db.exec_driver_sql("update message set uidvalidity = 1")
    house.dovecot.deliver(raw, SERVICE, ALICE)
    house.tick()
    assert analyses(house) == 1
    assert sum("accepted" in subject for subject in house.subjects()) == 1
    assert house.box(SERVICE) == []


def test_two_services_with_databases_of_their_own(
    house: MailHouse, tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    other = MailHouse(tmp_path, dovecot, smtp_server, work="other")
    try:
        house.send("ASTRAN-LAUNCH", LAUNCH)
        from astran.mail.imap import Inbox

        assert house.site.mail is not None
        with Inbox(house.site.mail) as inbox:
            (envelope,) = inbox.new(0, 10)
            assert inbox.claim(envelope.uid, house.context.service_id) == "mine"
        other.tick()
        assert analyses(other) == 0
        house.tick()
        other.tick()
        assert (analyses(house), analyses(other)) == (1, 0)
        assert "two services" in " ".join(house.subjects(OPERATOR))
    finally:
        other.db.close()


def test_many_old_mails_are_passed_in_one_tick(house: MailHouse) -> None:
    for number in range(60):
        house.send(f"Minutes {number}")
    house.send("ASTRAN-LAUNCH", LAUNCH)
    house.tick()
    assert analyses(house) == 1
    assert len(house.box(SERVICE)) == 60


def test_at_most_so_many_requests_in_a_tick(
    tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    empty(dovecot)
    house = MailHouse(tmp_path, dovecot, smtp_server, per_tick=2)
    for _ in range(5):
        house.send("ASTRAN-HELP")
    for number in (3, 1, 0):
        house.tick()
        assert len(house.box(SERVICE)) == number
    house.db.close()


def test_what_is_older_than_a_month_at_the_first_reading_is_left_alone(house: MailHouse) -> None:
    from datetime import UTC, datetime

    from astran.mail.imap import Inbox

    house.send("ASTRAN-LAUNCH", LAUNCH)
    assert house.site.mail is not None
    with Inbox(house.site.mail) as inbox:
        (envelope,) = inbox.new(0, 10)
        today = datetime.now(UTC).date()
        assert inbox.uid_before(today) < envelope.uid
        assert inbox.uid_before(today + timedelta(days=2)) == envelope.uid


def test_a_mail_that_is_too_large_is_answered_unread(
    tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    empty(dovecot)
    house = MailHouse(tmp_path, dovecot, smtp_server, max_bytes=5000)
    house.send("ASTRAN-LAUNCH", LAUNCH + "x" * 9000)
    house.tick()
    (answer,) = house.box()
    assert "too large" in answer.text
    assert analyses(house) == 0
    house.db.close()


def test_quotas(tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    empty(dovecot)
    quotas = {"launches_per_user": 2}
    house = MailHouse(tmp_path, dovecot, smtp_server, quotas=quotas, allow=[ALICE, BOB])
    for sender in (ALICE, ALICE, ALICE, BOB):
        house.send("ASTRAN-LAUNCH", LAUNCH, sender=sender)
    house.tick()
    assert analyses(house) == 3
    assert sum("not accepted" in subject for subject in house.subjects()) == 1
    assert any("2 analyses in the last 24 hours" in mail.text for mail in house.box())
    house.clock.sleep(86400 + 60)
    house.send("ASTRAN-LAUNCH", LAUNCH)
    house.tick()
    assert analyses(house) == 4
    house.db.close()


def test_a_cap_on_mails_to_one_address(
    tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    empty(dovecot)
    house = MailHouse(tmp_path, dovecot, smtp_server, quotas={"mails_per_recipient": 2})
    for _ in range(4):
        house.send("ASTRAN-HELP")
    house.tick()
    assert len(house.box()) == 2
    house.tick()
    assert len(house.box()) == 2
    house.clock.sleep(86400)
    house.tick()
    assert len(house.box()) == 4
    house.db.close()


BOUNCE = """\
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The mail could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.astran.test

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 no such user

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
Subject: x

--b--
"""


def bounce(house: MailHouse, message_id: str, recipient: str = ALICE, **more: str) -> None:
    values = {"action": "failed", "status": "5.1.1", "message_id": message_id, **more}
    body = BOUNCE.format(recipient=recipient, **values)
    top = f"From: MAILER-DAEMON@astran.test\nSubject: Undelivered\nMessage-ID: <b{len(body)}."
    top += f"{len(house.box(SERVICE, 'ASTRAN/Processed'))}@mx>\n"
    house.dovecot.deliver((top + body).replace("\n", "\r\n").encode(), SERVICE)
    house.tick()


def marked(house: MailHouse) -> bool:
    with house.db.begin() as db:
        return messages.bounced_at(db, ALICE) is not None


def test_a_bounce_marks_the_address_until_its_owner_writes_again(house: MailHouse) -> None:
    house.send("ASTRAN-HELP")
    house.tick()
    (letter,) = house.box()
    (ours,) = letter.headers["message-id"]
    bounce(house, "<nobody@knows.it>")
    bounce(house, ours, recipient="somebody@else.test")
    bounce(house, ours, action="delayed", status="4.4.1")
    assert not marked(house)
    assert house.box(OPERATOR) == []
    bounce(house, ours)
    assert marked(house)
    assert len(house.box(OPERATOR)) == 1
    assert "550 no such user" in house.box(OPERATOR)[0].text
    bounce(house, ours)
    assert len(house.box()) == 1, "a bounce is never answered"
    house.send("ASTRAN-HELP")
    house.tick()
    assert not marked(house)
    assert len(house.box()) == 2


def test_nothing_more_goes_to_an_address_that_bounces(house: MailHouse) -> None:
    from astran.database import outbox

    with house.db.begin() as db:
        now = house.clock.now()
        messages.set_bounced(db, ALICE, now)
        outbox.enqueue(
            db, now, "report", ALICE, "<r.1@astran.test>", "result", b"Subject: r\r\n\r\nx"
        )
    house.tick()
    assert house.box() == []
    assert house.count("select count(*) from outgoing_mail where state = 'dead'") == 1


def test_the_digest_tells_of_forged_mails_once_a_day(house: MailHouse) -> None:
    house.send("ASTRAN-LAUNCH", LAUNCH, Authentication_Results="")
    house.send("ASTRAN-CANCEL A1", sender=BOB)
    house.tick()
    assert house.box(OPERATOR) == []
    house.clock.sleep(86400)
    house.tick()
    house.tick()
    (letter,) = house.box(OPERATOR)
    assert "2 mails" in letter.subject
    assert ALICE in letter.text
    assert "unauthenticated" in letter.text
    house.clock.sleep(86400)
    house.tick()
    assert len(house.box(OPERATOR)) == 1, "a quiet day needs no letter"


def test_a_refused_log_in_is_not_tried_again_at_once(
    tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    empty(dovecot)
    house = MailHouse(tmp_path, dovecot, smtp_server)
    house.send("ASTRAN-HELP")
    good = house.dovecot.users[SERVICE]
    # the outgoing log-in stays good, so that the operator can be told
    assert house.site.mail is not None
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("wrong")
    imap = house.site.mail.imap.model_copy(
        update={"password": house.site.mail.imap.password.model_copy(update={"file": wrong})}
    )
    mail = house.site.mail.model_copy(update={"imap": imap})
    house.site = house.site.model_copy(update={"mail": mail})

    log = house.folder / "attempts"
    before = _failures(dovecot)
    house.tick(expect_faults=True)
    for _ in range(5):
        house.tick()
    assert _failures(dovecot) == before + 1, log
    (letter,) = house.box(OPERATOR)
    assert "imap log-in is refused" in letter.subject
    # the light tick keeps to it as well
    house.clock.sleep(60)
    wrong.write_text(good)
    house.tick()
    assert len(house.box(SERVICE)) == 1, "still waiting"
    house.clock.sleep(login_backoff.PAUSES[0].total_seconds())
    house.tick()
    assert len(house.box()) == 1
    assert house.count("select count(*) from hold") == 0
    house.db.close()


def _failures(dovecot: Dovecot) -> int:
    return (dovecot.folder / "dovecot.log").read_text().count("auth failed")


def test_the_light_tick_keeps_to_the_pause(house: MailHouse) -> None:
    from astran.database import chores

    house.tick()
    with house.db.begin() as db:
        until = house.clock.now() + timedelta(minutes=15)
        chores.set_hold(db, login_backoff.IMAP, chores.Hold(until, 1, "refused"))
    house.send("ASTRAN-HELP")
    assert nothing_to_do(house.site, house.clock)
    house.clock.sleep(3600)
    assert not nothing_to_do(house.site, house.clock)


def test_a_refused_outgoing_log_in_stops_the_queue(house: MailHouse) -> None:
    for _ in range(3):
        house.send("ASTRAN-HELP")
    house.smtp.answer("AUTH", "535 5.7.8 no", times=1)
    house.tick()
    assert house.box() == []
    house.tick()
    assert house.box() == []
    house.clock.sleep(3600)
    house.tick()
    assert len(house.box()) == 3
    assert house.count("select count(*) from hold") == 0


POISON = """\
Subject: ASTRAN-LAUNCH
From: eve@evil.example
Message-ID: <\udcff@evil.example>

hello
"""


def test_a_mail_whose_message_id_is_no_text(house: MailHouse) -> None:
    house.dovecot.deliver(POISON.encode("utf-8", "surrogateescape"), SERVICE, "eve@evil.example")
    house.send("=?utf-8?q?ASTRAN-LAUNCH=00?=", sender=BOB)
    house.send("ASTRAN-LAUNCH", LAUNCH)
    house.tick()
    assert analyses(house) == 1
    assert house.subjects(SERVICE) == []
    assert house.subjects(SERVICE, "ASTRAN/Quarantine") == ["ASTRAN-LAUNCH"]
    assert len(house.box(SERVICE, "ASTRAN/Rejected")) == 1


def maildir(house: MailHouse) -> Path:
    return house.dovecot.folder / "mail" / SERVICE / "Maildir"


def test_a_mail_that_the_server_cannot_read(house: MailHouse) -> None:
    """Dovecot hangs up at such a mail, each time."""
    house.send("ASTRAN-LAUNCH", LAUNCH)
    before = set(maildir(house).rglob("*/*"))
    house.send("ASTRAN-LAUNCH", LAUNCH.replace("1207", "1206"))
    (spoiled,) = set((maildir(house) / "new").iterdir()) - before
    house.send("ASTRAN-LAUNCH", LAUNCH.replace("1207", "1205"))
    spoiled.chmod(0)
    house.tick(expect_faults=True)
    assert analyses(house) == 2
    for _ in range(14):
        house.tick(expect_faults=True)
    assert any("mails in the mailbox cannot be read" in s for s in house.subjects(OPERATOR))
    for file in maildir(house).glob("*/*"):
        if file.is_file() and not file.stat().st_mode & 0o777:
            file.chmod(0o600)
    house.clock.sleep(3600)
    house.tick()
    assert analyses(house) == 3
    assert house.subjects(SERVICE) == []
    assert any("could be read" in subject for subject in house.subjects(OPERATOR))


def test_a_folder_that_cannot_be_made(house: MailHouse) -> None:
    house.tick()
    for place in maildir(house).glob(".ASTRAN.Processed*"):
        shutil.rmtree(place)
    blocked = maildir(house) / ".ASTRAN.Processed"
    blocked.write_text("a file where the folder should be")
    try:
        for number in range(5):
            house.send("ASTRAN-LAUNCH", LAUNCH.replace("1207", f"120{number + 1}"))
        house.tick(expect_faults=True)
        assert analyses(house) == 5
        house.send("ASTRAN-HELP")
        for _ in range(15):
            house.tick(expect_faults=True)
        assert any("ASTRAN" in subject for subject in house.subjects())
        assert any("cannot be moved" in subject for subject in house.subjects(OPERATOR))
    finally:
        blocked.unlink()
    house.clock.sleep(3600)
    for _ in range(3):
        house.tick()
    assert house.subjects(SERVICE) == []
    assert len(house.box(SERVICE, "ASTRAN/Processed")) == 6
    assert analyses(house) == 5


def test_a_folder_that_takes_no_changes(house: MailHouse) -> None:
    house.send("ASTRAN-LAUNCH", LAUNCH)
    cur = maildir(house) / "cur"
    house.box(SERVICE)  # the server has seen the mail and named it
    mode = cur.stat().st_mode
    for name in ("cur", "new", "tmp"):
        (maildir(house) / name).chmod(0o555)
    try:
        house.tick(expect_faults=True)
        assert analyses(house) == 1
        assert len(house.box()) == 1
    finally:
        for name in ("cur", "new", "tmp"):
            (maildir(house) / name).chmod(mode)
    house.clock.sleep(60)
    house.tick()
    assert house.subjects(SERVICE) == []
    assert analyses(house) == 1


def test_a_mailbox_that_is_away_while_mails_go_out(house: MailHouse) -> None:
    house.tick()
    assert house.site.mail is not None
    good = house.site
    imap = house.site.mail.imap.model_copy(update={"port": 9})
    mail = house.site.mail.model_copy(update={"imap": imap, "keep_copy": False})
    house.site = house.site.model_copy(update={"mail": mail})
    for _ in range(15):
        house.tick(expect_faults=True)
    (letter,) = house.box(OPERATOR)
    assert "cannot be read" in letter.subject
    assert "out of reach" in letter.text
    house.clock.sleep(86400)
    house.tick(expect_faults=True)
    assert len(house.box(OPERATOR)) == 2
    house.site = good
    house.send("ASTRAN-LAUNCH", LAUNCH)
    house.tick()
    assert analyses(house) == 1
    assert "again" in house.subjects(OPERATOR)[-1]


@pytest.mark.parametrize("part", ["HEADER", "BODY.PEEK[])"])
def test_an_empty_answer_loses_no_mail(
    house: MailHouse, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    from astran.mail.imap import Inbox

    real = Inbox._ask

    def ask(self: Inbox, command: str, *words: str | bytes) -> list[Any]:
        empty_answer = command == "FETCH" and part in str(words[-1])
        return [None] if empty_answer else real(self, command, *words)

    house.tick()
    house.send("ASTRAN-LAUNCH", LAUNCH)
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "_ask", ask)
        assert not nothing_to_do(house.site, house.clock)
        for _ in range(3):
            house.tick(expect_faults=True)
    house.clock.sleep(240)
    house.tick()
    assert analyses(house) == 1
    assert house.subjects(SERVICE) == []
