"""From the mailbox to the store and back, on a real IMAP and a real SMTP server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from e2e.site_under_test import empty
from mail_house import ALICE, BOB, LAUNCH, OPERATOR, SERVICE, MailHouse
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.service import logins
from astran.service.idle import nothing_to_do
from astran.store import mailbox

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
        from astran.mail.inbox import Inbox

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

    from astran.mail.inbox import Inbox

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
        return mailbox.bounced(db, ALICE) is not None


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
    from astran.store import outbox

    with house.db.begin() as db:
        now = house.clock.now()
        mailbox.set_bounced(db, ALICE, now)
        outbox.put(db, now, "report", ALICE, "<r.1@astran.test>", "result", b"Subject: r\r\n\r\nx")
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
    house.clock.sleep(logins.PAUSES[0].total_seconds())
    house.tick()
    assert len(house.box()) == 1
    assert house.count("select count(*) from hold") == 0
    house.db.close()


def _failures(dovecot: Dovecot) -> int:
    return (dovecot.folder / "dovecot.log").read_text().count("auth failed")


def test_the_light_tick_keeps_to_the_pause(house: MailHouse) -> None:
    from astran.store import chores

    house.tick()
    with house.db.begin() as db:
        until = house.clock.now() + timedelta(minutes=15)
        chores.set_hold(db, logins.IMAP, chores.Hold(until, 1, "refused"))
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
