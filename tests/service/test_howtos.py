"""The two how-tos, tried: their site configurations take a mail up to the jobs in Slurm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.lstchain_environment import make_environment
from golden_cases import dl2
from mail_house import ALICE, BOB, MailHouse, house
from scheduler.fake_slurm import FakeSlurm
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database.connection import Database

DOCS = Path(__file__).parents[2] / "docs"
LAUNCH = "target: Crab\ndate: 20231213\nstart: dl2\nfolder: crab\n"


class HowTo:
    """An installation by a how-to: only places, servers and addresses are those of the test."""

    def __init__(self, name: str, made: MailHouse, slurm: FakeSlurm) -> None:
        (text,) = re.findall(r"```yaml\n(.*?)```", (DOCS / name).read_text(), re.S)
        for there, here in (
            ("ada.astran@institute.example", "astran@astran.test"),
            ("ada@institute.example", ALICE),
            ("shifter@observatory.example", BOB),
            ("@observatory.example", BOB),
            ("institute.example", "astran.test"),
        ):
            text = text.replace(there, here)
        asked: dict[str, Any] = yaml.safe_load(text)
        mail = made.site.model_dump(exclude_unset=True)["mail"]
        asked["workdir"] = made.site.workdir
        asked["data"] = dl2(made.folder / "data")
        asked["mail"] |= {name: mail[name] for name in ("imap", "smtp", "authserv_id")}
        for version, environment in asked["lstchain"]["environments"].items():
            make_environment(made.folder / version, version)
            environment["conda"] = str(made.folder / version)
        made.site = build_settings(SiteConfig, asked, name)
        made.db.close()
        made.db = Database.open(made.site.database_url)
        made.clock.moment = datetime(2023, 12, 18, 9, tzinfo=UTC)
        self.made, self.slurm = made, slurm
        slurm.says("sbatch", "101\n")

    def submitted(self, sender: str, more: str = "") -> list[list[str]]:
        """What sbatch was told for the request of somebody."""
        before = len(self.slurm.calls("sbatch"))
        self.made.send("ASTRAN-LAUNCH", f"{LAUNCH}{more}", sender)
        for _ in range(8):
            self.made.tick()
            if calls := self.slurm.calls("sbatch")[before:]:
                return calls
        raise AssertionError([mail.text for mail in self.made.box(sender)])


@pytest.fixture
def installation(tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer) -> Iterator[MailHouse]:
    yield from house(tmp_path, dovecot, smtp_server)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    made = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", made.environ["PATH"])
    return made


@pytest.mark.services
def test_alone(installation: MailHouse, slurm: FakeSlurm) -> None:
    """Her own mailbox, conda environment and share; nobody else may ask."""
    alone = HowTo("howto-alone.md", installation, slurm)
    (call, *_) = alone.submitted(ALICE)
    assert {"--partition=short", "--account=ada"} < set(call)
    scripts = [path.read_text() for path in installation.site.workdir.rglob("Script_*.sh")]
    environment = str(installation.folder / "0.12.3")
    assert any(environment in text for text in scripts), "lstchain is that of her environment"
    installation.send("ASTRAN-LAUNCH", LAUNCH, BOB)
    installation.tick()
    assert installation.count("select count(*) from analysis") == 1
    (refusal,) = installation.box(BOB)
    assert "not among those who may launch" in refusal.text


@pytest.mark.services
def test_shared(installation: MailHouse, slurm: FakeSlurm) -> None:
    """Everyone of the institute, and a guest; each is charged as the how-to says."""
    shared = HowTo("howto-shared.md", installation, slurm)
    (call, *_) = shared.submitted(ALICE)
    assert {"--partition=long", "--account=gamma-1"} < set(call)
    (call, *_) = shared.submitted(BOB, "dl3.gammaness_cut: 0.6\n")
    assert {"--account=gamma", "--qos=guests"} < set(call)
