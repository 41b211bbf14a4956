"""Standing orders and plans by mail, on real mail servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import require
from e2e.site_under_test import empty
from mail_house import ALICE, BOB, MailHouse
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.service.intake import quotas
from astran.telescopes.lst.catalogue.response.models import ALWAYS

pytestmark = pytest.mark.services

CATALOG = """\
# %ECSV 1.0
# ---
# datatype:
# - {{name: run_id, datatype: int64}}
# - {{name: source_name, datatype: string}}
# schema: astropy-2.0
run_id source_name
{run} {source}
"""


class Data:
    """DL1 files of some nights."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*ALWAYS, "reg_disp_norm.sav", "cls_disp_sign.sav", "training_dirs.ecsv"):
            self.file(f"models/dec_2276/{name}")
        self.file("mc/dec_2276/node_theta_10.0_az_102.199_/dl2_g.h5")

    def settings(self) -> dict[str, str]:
        return {
            "open_dl1": False,  # they are not real ones
            "dl1": f"{self.root}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5",
            "run_catalog": f"{self.root}/RunCatalog_{{date}}.ecsv",
            "models": f"{self.root}/models",
            "mc_dl2": f"{self.root}/mc/{{dec}}/node_*/dl2_*.h5",
        }

    def file(self, name: str, text: str = "x") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1.6e9, 1.6e9))

    def night(self, date: str, run: int, source: str = "Crab") -> None:
        self.file(f"RunCatalog_{date}.ecsv", CATALOG.format(run=run, source=source))
        self.file(f"DL1/{date}/v0.10/tailcut84/dl1_LST-1.Run{run}.h5")


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path / "data")


@pytest.fixture
def house(
    tmp_path: Path,
    dovecot: Dovecot,
    smtp_server: SmtpServer,
    data: Data,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MailHouse]:
    tools = Path(sys.executable).parent
    require((tools / "lstchain_dl1_to_dl2").exists(), "lstchain", "pip install 'astran[lst]'")
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    empty(dovecot)
    made = MailHouse(tmp_path, dovecot, smtp_server, data=data.settings(), allow=[ALICE, BOB])
    yield made
    made.db.close()


def labels(house: MailHouse) -> list[str]:
    with house.db.begin() as db:
        query = "select label from analysis order by id"
        return list(db.exec_driver_sql(query).scalars())


def morning(house: MailHouse, day: int, hour: int = 9) -> None:
    """Ticks on a day of December 2023."""
    house.clock.moment = datetime(2023, 12, day, hour, tzinfo=UTC)
    for _ in range(2):
        house.tick()


def test_each_new_night_is_analysed_once(house: MailHouse, data: Data) -> None:
    data.night("20231206", 100)  # before the order was given
    house.send("ASTRAN-LAUNCH", "target: Crab Nebula\nrepeat: until 2023-12-10\n")
    house.tick()
    (answer,) = house.box()
    assert "[S1]" in answer.subject
    assert "2023-12-10" in answer.text
    assert labels(house) == []
    data.night("20231208", 200)
    morning(house, 9, hour=5)
    assert labels(house) == [], "the night is not over"
    morning(house, 9)
    morning(house, 9, hour=10)
    assert labels(house) == ["Crab20231208"]
    morning(house, 10)
    assert labels(house) == ["Crab20231208"], "no data"
    data.night("20231209", 300, source="Mrk421")
    data.night("20231210", 400)
    data.night("20231211", 500)
    morning(house, 11)
    morning(house, 12)
    assert labels(house) == ["Crab20231208", "Crab20231210"]
    assert sum("accepted" in subject for subject in house.subjects()) == 2
    morning(house, 20)
    assert house.count("select count(*) from standing_order where state = 'active'") == 0
    # with no order in force there is nothing left to look after
    morning(house, 20, hour=11)
    assert house.count("select count(*) from chore") == 0


@pytest.mark.parametrize("looked", [True, False])
def test_after_a_pause_no_night_is_lost(house: MailHouse, data: Data, looked: bool) -> None:
    """The launcher was off for a week, before or after its first look for the order."""
    house.send("ASTRAN-LAUNCH", "target: Crab\nrepeat: until 2023-12-31\n")
    house.tick()
    if looked:
        morning(house, 9)
    for day, run in ((9, 200), (10, 300), (12, 400)):
        data.night(f"202312{day:02d}", run)
    morning(house, 17)
    assert labels(house) == ["Crab20231209", "Crab20231210", "Crab20231212"]
    morning(house, 18)
    assert len(labels(house)) == 3


def test_a_night_that_a_quota_puts_off_is_analysed_later(
    house: MailHouse, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.send("ASTRAN-LAUNCH", "target: Crab\nrepeat: until 2023-12-31\n")
    house.tick()
    data.night("20231209", 200)
    with monkeypatch.context() as full:
        full.setattr(quotas, "quota_exceeded", lambda *values, **named: "too many")
        for day in (10, 13, 16):
            morning(house, day)
    assert labels(house) == []
    morning(house, 17)
    assert labels(house) == ["Crab20231209"]


def test_data_that_come_late_are_found(house: MailHouse, data: Data) -> None:
    house.send("ASTRAN-LAUNCH", "target: Crab\nrepeat: until 2023-12-31\n")
    house.tick()
    morning(house, 9)
    data.night("20231208", 200)
    morning(house, 10)
    assert labels(house) == ["Crab20231208"]


def test_list_shows_and_cancel_ends_an_order(house: MailHouse, data: Data) -> None:
    house.send("ASTRAN-LAUNCH", "target: Crab\nrepeat: until 2023-12-31\n")
    house.tick()
    house.send("ASTRAN-LIST")
    house.tick()
    assert "S1 Crab" in house.box()[-1].text
    house.send("ASTRAN-CANCEL S1", sender=BOB)
    house.tick()
    assert "names no" in house.box(BOB)[-1].text or "does not say" in house.box(BOB)[-1].text
    house.send("ASTRAN-CANCEL S1")
    house.tick()
    assert "S1 has ended" in house.box()[-1].subject
    data.night("20231208", 200)
    morning(house, 9)
    assert labels(house) == []


def test_cancel_as_first_line_of_an_answer(house: MailHouse) -> None:
    house.send("ASTRAN-LAUNCH", "target: Crab\nrepeat: until 2023-12-31\n")
    house.tick()
    (answer,) = house.box()
    (ours,) = answer.headers["message-id"]
    house.send("Re: something", "ASTRAN-CANCEL\n\n> old", In_Reply_To=ours)
    house.tick()
    assert "S1 has ended" in house.box()[-1].subject


def test_too_many_orders(
    tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer, data: Data
) -> None:
    empty(dovecot)
    quotas = {"orders_per_user": 1}
    house = MailHouse(tmp_path, dovecot, smtp_server, data=data.settings(), quotas=quotas)
    for target in ("Crab", "Mrk421"):
        house.send("ASTRAN-LAUNCH", f"target: {target}\nrepeat: until 2023-12-31\n")
    house.tick()
    assert house.count("select count(*) from standing_order") == 1
    assert "not accepted" in house.subjects()[-1]
    house.db.close()


def test_a_plan_by_mail_starts_nothing(tmp_path: Path, house: MailHouse) -> None:
    folder = tmp_path / "dl3"
    folder.mkdir()
    house.send("ASTRAN-DRYRUN", f"target: Crab\ndate: 20231207\nstart: dl3\nfolder: {folder}\n")
    house.tick()
    house.tick()
    (answer,) = house.box()
    assert "could not be planned" in answer.subject
    assert labels(house) == []
    house.send("ASTRAN-DRYRUN", "target: Crab\n")
    house.tick()
    assert "date: is required" in house.box()[-1].text or "date" in house.box()[-1].text
    assert house.count("select count(*) from chore") == 0
