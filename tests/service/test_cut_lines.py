"""The line is cut after every IMAP and SMTP command in turn: nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.site_under_test import empty
from mail_house import LAUNCH, OPERATOR, SERVICE, MailHouse
from services.cutter import Cut, Cutter
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.config.site import MailSettings

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def imap(dovecot: Dovecot) -> Iterator[Cutter]:
    with Cutter(dovecot.imaps_port) as cutter:
        yield cutter


@pytest.fixture
def smtp(smtp_server: SmtpServer) -> Iterator[Cutter]:
    with Cutter(smtp_server.port) as cutter:
        yield cutter


def one_launch(house: MailHouse, cutter: Cutter, at: int, how: Cut) -> tuple[int, list[str]]:
    """A launch with one cut; returns the commands of the first tick, and Alice's mails."""
    house.send("ASTRAN-LAUNCH", LAUNCH)
    cutter.plan(at, how)
    _tick(house)
    commands = cutter.commands
    cutter.plan(0, how)
    for _ in range(4):
        _tick(house)
    return commands, sorted(house.subjects())


def _tick(house: MailHouse) -> None:
    """A tick in which mail servers may fail; of a fault in ASTRAN the operator would hear."""
    from astran.service.tick import run_tick

    house.clock.sleep(60)
    run_tick(house.context)


def through(house: MailHouse, **ports: int) -> MailHouse:
    """The same installation, its servers reached through a proxy."""
    mail = house.site.mail
    assert isinstance(mail, MailSettings)
    servers = {
        name: getattr(mail, name).model_copy(update={"port": port, "timeout": 2.0})
        for name, port in ports.items()
    }
    house.site = house.site.model_copy(update={"mail": mail.model_copy(update=servers)})
    return house


@pytest.mark.parametrize("how", list(Cut))
@pytest.mark.parametrize("line", ["imap", "smtp"])
def test_cut_after_every_command(
    tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer, imap: Cutter, smtp: Cutter,
    line: str, how: Cut,
) -> None:  # fmt: skip
    cutter = {"imap": imap, "smtp": smtp}[line]
    expected: list[str] = []
    at, last = 0, 1
    while at <= last:
        empty(dovecot)
        smtp_server.reset()
        made = MailHouse(tmp_path, dovecot, smtp_server, work=f"work{at}")
        house = through(made, **{line: cutter.port})
        commands, subjects = one_launch(house, cutter, at, how)
        if at == 0:
            last, expected = commands, subjects
            assert sum("accepted" in subject for subject in expected) == 1
        assert subjects == expected, f"cut {how} command {at} of {last}"
        assert house.count("select count(*) from analysis") == 1, f"{how} {at}"
        assert house.subjects(SERVICE) == [], f"{how} {at}: left in the inbox"
        assert house.subjects(SERVICE, "ASTRAN/Processed") == ["ASTRAN-LAUNCH"], f"{how} {at}"
        faults = [s for s in house.subjects(OPERATOR) if "fault" in s]
        assert faults == [], f"{how} {at}"
        house.db.close()
        at += 1
    assert last > 8
