"""No mail and no fault of the mail server stops the mails behind it; none is lost or acts twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mail_desk import Desk
from mail_house import ALICE, BOB, LAUNCH, OPERATOR

from astran.base.errors import ConfigError
from astran.database import messages
from astran.service.intake import mailbox as intake

EIGHT_BIT_ID = b"""\
Subject: ASTRAN-LAUNCH
From: eve@evil.example
Message-ID: <\xff@evil.example>

hello
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    url = ""
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres")
        url = postgres.url(postgres.new_database())
    made = Desk(tmp_path, url)
    yield made
    made.db.close()


@pytest.fixture
def light(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.db.close()


# -- text that no database takes


def test_a_byte_of_no_character_set_in_a_message_id(desk: Desk) -> None:
    desk.box.add(EIGHT_BIT_ID)
    desk.launch()
    assert desk.read() == intake.Intake(1)
    assert desk.folder("ASTRAN/Quarantine") == ["ASTRAN-LAUNCH"]
    assert desk.folder("ASTRAN/Processed") == ["ASTRAN-LAUNCH"]
    assert desk.letters("eve@evil.example") == []


@pytest.mark.parametrize(
    "title",
    [
        "=?utf-8?q?ASTRAN-LAUNCH=00?=",
        "ASTRAN-LAUNCH \udcff\udc80",
        "=?utf-7?q?ASTRAN-LAUNCH_+2AA-?=",
    ],
)
def test_a_subject_that_cannot_be_stored_as_it_is(desk: Desk, title: str) -> None:
    desk.box.add(desk.raw(title, LAUNCH, sender=BOB))
    desk.launch()
    assert desk.read() == intake.Intake(1)
    assert len(desk.folder("ASTRAN/Rejected")) == 1
    assert len(desk.letters(BOB)) == 1
    desk.box.add(desk.raw(title, LAUNCH))
    assert desk.read() == intake.Intake(1)
    assert desk.analyses() == 2


def test_raw_nul_bytes_in_a_subject(desk: Desk) -> None:
    """No header holds them: two programs may cut it differently, so it proves nobody."""
    for sender in (BOB, ALICE):
        desk.box.add(desk.raw("ASTRAN-LAUNCH " + "é\x00" * 3000, LAUNCH, sender=sender))
    desk.launch()
    assert desk.read() == intake.Intake(1)
    assert len(desk.folder("ASTRAN/Quarantine")) == 2
    assert desk.analyses() == 1
    assert desk.letters(BOB) == []


@pytest.mark.parametrize(
    "name",
    [
        "<\udcff\udcfe@client.test>",
        "<" + "\udcff" * 800 + "@client.test>",
        "<" + "é" * 440 + "@x>",
        "<" + "".join(chr(0x4E00 + 7 * i % 20000) for i in range(295)) + "@x>",
    ],
)
def test_a_launch_with_a_strange_message_id_starts_once(desk: Desk, name: str) -> None:
    raw = desk.raw("ASTRAN-LAUNCH", LAUNCH, Message_ID=name)
    desk.box.add(raw)
    assert desk.read() == intake.Intake(1)
    desk.box.add(raw)
    assert desk.read() == intake.Intake()
    assert desk.analyses() == 1
    assert len(desk.letters(ALICE)) == 1


def test_an_address_that_is_too_long(desk: Desk) -> None:
    long = "a@" + ".".join(["label-of-a-domain"] * 30) + ".test"
    desk.box.add(desk.raw("ASTRAN-LAUNCH", LAUNCH, sender=long))
    desk.launch()
    assert desk.read() == intake.Intake(1)
    assert len(desk.folder("ASTRAN/Quarantine")) == 1


# -- faults in ASTRAN


def break_at(monkeypatch: pytest.MonkeyPatch, word: bytes, error: Exception) -> None:
    """Reading a mail with this word raises."""
    real = intake._decided

    def decided(context: Any, raw: bytes) -> Any:
        if word in raw:
            raise error
        return real(context, raw)

    monkeypatch.setattr(intake, "_decided", decided)


def test_a_mail_that_is_the_fault_is_tried_three_times_and_set_aside(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at(monkeypatch, b"poison", ValueError("an error in ASTRAN"))
    desk.box.add(desk.raw("ASTRAN-LAUNCH of poison", LAUNCH + "poison"))
    desk.launch()
    first = desk.read()
    assert first.taken == 1, "the mail behind it is taken in the same look"
    assert "an error in ASTRAN" in " ".join(first.troubles)
    assert desk.folder("INBOX") == ["ASTRAN-LAUNCH of poison"]
    assert desk.letters() == []
    desk.launch()
    assert desk.read().taken == 1
    assert desk.letters() == []
    assert desk.read(minutes=2) == intake.Intake()
    assert desk.folder("ASTRAN/Quarantine") == ["ASTRAN-LAUNCH of poison"]
    assert desk.folder("INBOX") == []
    (letter,) = desk.letters()
    assert "set aside" in letter
    assert sum("internal fault" in title for title in desk.letters(ALICE)) == 1
    for _ in range(3):
        assert desk.read() == intake.Intake()
    assert len(desk.letters()) == 1
    assert desk.analyses() == 2


def test_a_fault_that_passes_costs_nothing(light: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        break_at(patch, b"target", ValueError("an error in ASTRAN"))
        light.launch()
        for _ in range(2):
            light.read()
    assert light.read(minutes=2) == intake.Intake(1)
    assert light.letters() == []
    assert light.rows("select count(*) from put_off") == [(0,)]


def test_a_fault_in_storing_counts_as_well(light: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = messages.add_message

    def add(db: Any, mail: messages.Incoming) -> int | None:
        if mail.sender == BOB:
            raise ValueError("cannot be stored")
        return real(db, mail)

    monkeypatch.setattr(messages, "add_message", add)
    light.box.add(light.raw("ASTRAN-LAUNCH", sender=BOB))
    light.launch()
    assert light.read().taken == 1
    light.read()
    light.read(minutes=2)
    assert light.folder("ASTRAN/Quarantine") == ["ASTRAN-LAUNCH"]
    assert len(light.letters()) == 1


def test_nobody_unknown_hears_of_a_fault(light: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = messages.add_message
    monkeypatch.setattr(
        messages,
        "add_message",
        lambda db, mail: real(db, mail) if mail.verdict == "fault" else 1 / 0,
    )
    light.box.add(light.raw("ASTRAN-LAUNCH", LAUNCH, Authentication_Results="x; none"))
    for _ in range(4):
        light.read(minutes=5)
    assert light.letters(ALICE) == []
    assert len(light.letters()) == 1


def test_a_site_that_is_not_set_up_keeps_its_mails_waiting(
    light: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_at(patch, b"poison", ConfigError("The folder of models is not readable."))
        light.box.add(light.raw("ASTRAN-LAUNCH", LAUNCH, X_Mark="poison"))
        light.launch()
        taken = sum(light.read(minutes=30).taken for _ in range(10))
    assert taken == 1
    assert len(light.letters()) == 1
    assert light.folder("INBOX") == ["ASTRAN-LAUNCH"]
    assert light.read(minutes=60) == intake.Intake(1)


# -- copies


def test_a_copy_of_a_list_does_not_stand_before_the_true_mail(desk: Desk) -> None:
    name = "<one@client.test>"
    desk.launch(Message_ID=name, List_Id="<crab.lists.test>")
    assert desk.read() == intake.Intake()
    desk.launch(Message_ID=name)
    assert desk.read() == intake.Intake(1)
    for _ in range(2):
        desk.launch(Message_ID=name)
        assert desk.read() == intake.Intake()
    assert desk.analyses() == 1
    assert len(desk.letters(ALICE)) == 1


def test_a_forged_copy_does_not_stand_before_the_true_mail(desk: Desk) -> None:
    name = "<one@client.test>"
    desk.launch(Message_ID=name, Authentication_Results="x; none")
    desk.launch(Message_ID=name)
    desk.launch(Message_ID=name, Authentication_Results="x; none")
    assert desk.read() == intake.Intake(1)
    assert len(desk.folder("ASTRAN/Quarantine")) == 2
    assert desk.analyses() == 1


def test_a_copy_that_arrived_damaged_does_not_stand_before_the_true_mail(desk: Desk) -> None:
    name = "<one@client.test>"
    desk.box.add(desk.raw("ASTRAN-LAUNCH", "target: Crab\n", Message_ID=name))
    assert desk.read() == intake.Intake()
    desk.launch(Message_ID=name)
    assert desk.read() == intake.Intake(1)


def test_a_launch_that_a_quota_refused_may_come_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, quotas={"launches_per_user": 1})
    desk.launch()
    desk.launch(Message_ID="<two@client.test>")
    assert desk.read() == intake.Intake(1)
    desk.wait(timedelta(days=1))
    desk.launch(Message_ID="<two@client.test>")
    assert desk.read() == intake.Intake(1)
    desk.db.close()


def test_commands_do_not_act_twice(desk: Desk) -> None:
    desk.launch()
    desk.read()
    raw = desk.raw("ASTRAN-CANCEL A1")
    for _ in range(2):
        desk.box.add(raw)
        desk.read()
    assert sum("cancel" in title.lower() for title in desk.letters(ALICE)) <= 1
    assert desk.rows("select count(*) from event where kind = 'mail-again'") == [(1,)]


def test_two_launchers_take_two_copies_at_the_same_moment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One database, two copies of one mail: one of them acts."""
    raw = desk.raw("ASTRAN-LAUNCH", LAUNCH)
    desk.read()
    for _ in range(2):
        desk.box.add(raw)
    meet = threading.Barrier(2, timeout=20)
    real = intake._Reading._store

    def store(self: Any, *what: Any) -> None:
        meet.wait()
        real(self, *what)

    monkeypatch.setattr(intake._Reading, "_store", store)

    def launcher(uid: int) -> int | None:
        reading = intake._Reading(desk.context(), desk.box, "astran@astran.test/INBOX", uid - 1)
        (envelope,) = desk.box.envelopes([uid])
        return reading._take(envelope)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(launcher, (1, 2))) == [1, 1]
    assert desk.analyses() == 1
    assert len(desk.letters(ALICE)) == 1
    assert desk.folder("INBOX") == []


# -- a mail server that fails


def test_a_mail_that_the_answer_lacks_is_asked_for_again(desk: Desk) -> None:
    lacking = desk.launch()
    desk.launch()
    desk.troubled.left_out = {lacking}
    first = desk.read()
    assert first.taken == 1
    assert f"UID {lacking}" in " ".join(first.troubles)
    assert desk.read().taken == 0
    desk.troubled.left_out = set()
    assert desk.read(minutes=2) == intake.Intake(1)
    assert desk.folder("INBOX") == []


def test_an_answer_without_any_mail(desk: Desk) -> None:
    desk.troubled.left_out = {desk.launch() for _ in range(3)}
    assert desk.read().taken == 0
    desk.troubled.left_out = set()
    assert desk.read() == intake.Intake(3)


@pytest.mark.parametrize("kind", ["unreadable", "bodiless"])
def test_a_mail_that_the_server_does_not_give(desk: Desk, kind: str) -> None:
    uids = [desk.launch() for _ in range(20)]
    setattr(desk.troubled, kind, {uids[0], uids[7], uids[19]})
    assert desk.read().taken == 17
    for _ in range(5):
        desk.read(minutes=2)
    assert len(desk.folder("INBOX")) == 3
    (letter,) = desk.letters()
    assert "cannot be read" in letter
    setattr(desk.troubled, kind, set())
    assert desk.read(minutes=15) == intake.Intake(3)
    assert len(desk.letters()) == 2, "and one when it is over"
    assert desk.folder("ASTRAN/Quarantine") == []


def test_a_mail_that_was_taken_away_meanwhile_is_forgotten(desk: Desk) -> None:
    uid = desk.launch()
    desk.troubled.left_out = {uid}
    desk.read()
    del desk.box.folders["INBOX"][uid]
    assert desk.read() == intake.Intake()
    assert desk.rows("select count(*) from put_off") == [(0,)]


def test_refused_moves_do_not_stand_before_reading(desk: Desk) -> None:
    desk.troubled.refuses_moves = True
    for _ in range(8):
        desk.launch()
    assert desk.read().taken == 8
    desk.launch()
    assert desk.read().taken == 1
    for _ in range(6):
        assert desk.read(minutes=2).taken == 0
    assert desk.analyses() == 9
    (letter,) = desk.letters()
    assert "cannot be moved" in letter
    desk.troubled.refuses_moves = False
    assert desk.read(minutes=60) == intake.Intake()
    assert desk.folder("INBOX") == []
    assert len(desk.folder("ASTRAN/Processed")) == 9
    assert len(desk.letters()) == 2


def test_a_lasting_fault_is_told_in_time_then_daily_then_its_end(desk: Desk) -> None:
    desk.read()
    desk.troubled.away = True
    for _ in range(15):
        desk.read()
    assert len(desk.letters()) == 1, "within a quarter of an hour"
    assert "cannot be read" in desk.letters()[0]
    for _ in range(2 * 24 + 1):
        desk.read(minutes=60)
    assert len(desk.letters()) == 3, "after some minutes, a day, two days"
    desk.troubled.away = False
    desk.launch()
    assert desk.read() == intake.Intake(1)
    assert len(desk.letters()) == 4
    assert "again" in desk.letters()[-1]
    desk.read()
    assert len(desk.letters()) == 4


def test_a_short_fault_is_told_to_nobody(light: Desk) -> None:
    light.read()
    light.troubled.away = True
    for _ in range(5):
        light.read()
    light.troubled.away = False
    light.launch()
    assert light.read() == intake.Intake(1)
    assert light.letters(OPERATOR) == []


def test_mails_numbered_anew_are_not_mixed_up(light: Desk) -> None:
    uid = light.launch()
    light.troubled.left_out = {uid}
    light.read()
    light.box.uidvalidity += 1
    light.troubled.left_out = set()
    assert light.read() == intake.Intake(1)
    assert light.rows("select count(*) from put_off") == [(0,)]
