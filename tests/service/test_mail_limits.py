"""Quotas by person and domain, a cap on answers that say no, and who is believed about bounces."""

from __future__ import annotations

from pathlib import Path

import pytest
from mail_desk import AUTHSERV, Desk
from mail_house import ALICE, LAUNCH, OPERATOR

from astran.base.errors import DnsUnavailable
from astran.database import messages
from astran.mail.identity import person_of
from astran.service.intake import mailbox as intake

WRONG = "target: Crab\n"


@pytest.mark.parametrize(
    ("address", "person"),
    [
        ("Alice@Institute.Example", "alice@institute.example"),
        ("alice+lst@institute.example", "alice@institute.example"),
        ("a.l.ice+x+y@institute.example", "alice@institute.example"),
        ("A.Lice@googlemail.com", "alice@gmail.com"),
        ("alice@gmail.com", "alice@gmail.com"),
        ("+x@institute.example", "+x@institute.example"),
    ],
)
def test_one_person_has_many_addresses(address: str, person: str) -> None:
    assert person_of(address) == person


def desk(folder: Path, quotas: dict[str, int], **more: object) -> Desk:
    return Desk(folder, allow=["@astran.test", "@sub.astran.test", "@gmail.com", "@googlemail.com"],
                quotas=quotas, **more)  # fmt: skip


def ask(desk: Desk, *senders: str, body: str = LAUNCH) -> None:
    for sender in senders:
        desk.box.add(desk.raw("ASTRAN-LAUNCH", body, sender))
    desk.read()


@pytest.mark.parametrize("quota", ["live_per_user", "launches_per_user"])
def test_tags_dots_and_case_make_no_other_person(tmp_path: Path, quota: str) -> None:
    made = desk(tmp_path, {quota: 2})
    ask(made, "al.ice@gmail.com", "ALICE+2@googlemail.com", "alice+3@gmail.com", "bob@gmail.com")
    assert made.analyses() == 3
    made.db.close()


def test_tags_of_one_person(tmp_path: Path) -> None:
    made = desk(tmp_path, {"live_per_user": 2})
    ask(made, "al.ice@astran.test", "ALICE+2@astran.test", "alice+3@astran.test", "bob@astran.test")
    assert made.analyses() == 3
    made.db.close()


@pytest.mark.parametrize("quota", ["live_per_domain", "launches_per_domain"])
def test_a_domain_counts_as_a_whole(tmp_path: Path, quota: str) -> None:
    made = desk(tmp_path, {quota: 2})
    ask(made, "a@astran.test", "b@sub.astran.test", "c@astran.test", "d@gmail.com")
    assert made.analyses() == 3
    assert made.letters("c@astran.test") == ["Re: ASTRAN-LAUNCH not accepted"]
    made.db.close()


def test_beyond_a_number_of_noes_there_is_silence_and_the_operator_is_told_once(
    tmp_path: Path,
) -> None:
    made = desk(tmp_path, {"refusals_per_user": 3})
    ask(made, *[f"alice+{n}@astran.test" for n in range(7)], body=WRONG)
    number = "select count(*) from outgoing_mail where kind = 'problems'"
    assert made.rows(number)[0][0] == 3
    assert len(made.letters(OPERATOR)) == 1
    assert made.rows("select count(*) from event where kind = 'silence'")[0][0] == 4
    # what is right is taken all the same
    ask(made, "alice@astran.test")
    assert made.analyses() == 1
    made.clock.sleep(25 * 3600)
    ask(made, "alice@astran.test", body=WRONG)
    assert made.rows(number)[0][0] == 4
    made.db.close()


def test_strangers_of_one_domain_share_their_refusals(tmp_path: Path) -> None:
    made = Desk(tmp_path, quotas={"refusals_per_domain": 2})
    ask(made, "a@evil.test", "a+1@evil.test", "A+2@evil.test", "b@evil.test", "c@x.evil.test",
        "d@evil.test", "e@other.test")  # fmt: skip
    rows = made.rows("select recipient from outgoing_mail where kind = 'refusal' order by id")
    assert [row[0] for row in rows] == ["a@evil.test", "b@evil.test", "e@other.test"]
    assert len(made.letters(OPERATOR)) == 1
    made.db.close()


BOUNCE = """\
{top}From: {sender}
Return-Path: <>
Subject: Undelivered Mail Returned to Sender
Message-ID: <b{number}@mx.example>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

Message-ID: {about}

--b--
"""
ENTRY = "Received: from x (x [198.51.100.9]) by mx.astran.test with ESMTP\n"
VOUCHED = f"Authentication-Results: {AUTHSERV}; dmarc=pass header.from="


def sent(desk: Desk) -> str:
    """A letter to Alice that went out; its Message-ID."""
    desk.box.add(desk.raw("ASTRAN-HELP"))
    desk.read()
    with desk.db.begin() as db:
        db.exec_driver_sql("update outgoing_mail set state = 'sent'")
    query = f"select message_id from outgoing_mail where recipient = '{ALICE}'"
    return str(desk.rows(query)[-1][0])


@pytest.mark.parametrize(
    ("top", "sender", "recipient", "about", "believed"),
    [
        # the own server writes it, and nothing says that it came from outside
        ("Received: by mx.astran.test (Postfix) id 1\n", "MAILER-DAEMON@mx.astran.test",
         ALICE, "", True),
        # the recipient's server, vouched for
        (f"{VOUCHED}astran.test\n{ENTRY}", "postmaster@astran.test", ALICE, "", True),
        (ENTRY, "MAILER-DAEMON@astran.test", ALICE, "", False),
        (f"{VOUCHED}evil.test\n{ENTRY}", "MAILER-DAEMON@evil.test", ALICE, "", False),
        (f"{VOUCHED}evil.test\n{ENTRY}", "MAILER-DAEMON@astran.test", ALICE, "", False),
        (f"{ENTRY}Received: by mx.astran.test id 1\n{VOUCHED}astran.test\n",
         "MAILER-DAEMON@astran.test", ALICE, "", False),
        ("", "MAILER-DAEMON@evil.test", ALICE, "", False),
        ("", "MAILER-DAEMON@astran.test", "bob@astran.test", "", False),
        ("", "MAILER-DAEMON@astran.test", ALICE, "<report.A1.1.0123456789abcdef@astran.test>",
         False),
        ("", "MAILER-DAEMON@astran.test", ALICE, "<made@up.test>", False),
    ],
)  # fmt: skip
def test_only_a_server_that_can_know_marks_an_address(
    tmp_path: Path, top: str, sender: str, recipient: str, about: str, believed: bool
) -> None:
    made = Desk(tmp_path)
    text = BOUNCE.format(
        top=top, sender=sender, recipient=recipient, about=about or sent(made), number=1
    )
    made.box.add(text.replace("\n", "\r\n").encode())
    before = len(made.letters(ALICE))
    made.read()
    with made.db.begin() as db:
        assert (messages.bounced_at(db, ALICE) is not None) is believed
    assert len(made.letters(ALICE)) == before, "a bounce is never answered"
    made.db.close()


def test_a_mail_waits_for_the_dns_and_those_behind_it_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Desk(tmp_path)
    lost = made.launch(Subject="ASTRAN-LAUNCH lost")
    made.launch()
    decide, away = intake.decide_mail, [True]

    def decided(raw: bytes, *given: object, **more: object) -> object:
        if away and b"lost" in raw:
            raise DnsUnavailable("The DNS does not answer.")
        return decide(raw, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(intake, "decide_mail", decided)
    made.read()
    assert made.analyses() == 1
    assert made.box.holds(lost)
    assert made.letters(OPERATOR) == []
    for _ in range(20):
        made.read()
    assert made.box.holds(lost), "it is never set aside for that"
    assert len(made.letters(OPERATOR)) == 1
    away.clear()
    made.read(minutes=61)
    assert made.analyses() == 2
    made.db.close()
