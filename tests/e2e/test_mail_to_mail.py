"""From a launch mail to a report mail, on real services."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from demo_fixtures import SmallNight
from e2e.site_under_test import ALICE, LOCAL, OPERATOR, SiteUnderTest
from services.dovecot import Dovecot
from services.postgres import Postgres
from services.slurm import SlurmCluster
from services.smtp import SmtpServer


def test_real_magic_crab_from_dl3(magic_site: SiteUnderTest) -> None:
    body = "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\ndl3.theta_cut: 0.1414\n"
    magic_site.send("ASTRAN-LAUNCH", body)
    magic_site.run_until("sigma", timeout=180)
    confirmation, report = magic_site.inbox()
    assert "accepted" in confirmation.subject
    results = json.loads(next(magic_site.workdir.glob("Crab*/results/results.json")).read_text())
    stacked = results["stacked"]
    assert (stacked["off_regions"], stacked["n_on"], stacked["n_off"]) == (3, 1212, 1283)
    assert stacked["livetime_h"] == pytest.approx(0.654, abs=0.001)
    assert stacked["significance"] == pytest.approx(25.33, rel=1e-3)
    assert results["map"]["peak_offset_deg"] < 0.05
    assert f"{stacked['significance']:.1f} sigma" in report.subject
    assert f"{stacked['n_on']:,}".replace(",", "") in report.text.replace(",", "").replace(" ", "")
    assert any(part.content_id for part in report.attachments), "plots are inline"


def test_typos_are_answered_all_at_once(magic_site: SiteUnderTest) -> None:
    magic_site.send("ASTRAN-LAUNCH", "taget: Crba\ndate: 2013-13-22\ndl3.theta_cutt: 0.2\n")
    magic_site.tick()
    (answer,) = magic_site.inbox()
    for word in ("target", "2013-13-22", "dl3.theta_cut"):
        assert word in answer.text
    assert not list(magic_site.workdir.glob("*/config_*.yml"))


def test_a_stranger_launches_nothing(magic_site: SiteUnderTest) -> None:
    body = "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\n"
    magic_site.send("ASTRAN-LAUNCH", body, sender="bob@astran.test")
    magic_site.tick()
    (answer,) = magic_site.inbox("bob@astran.test")
    assert "not accepted" in answer.subject
    assert not list(magic_site.workdir.glob("*/config_*.yml"))


def test_status_and_cancel_by_mail(magic_site: SiteUnderTest) -> None:
    # a night without data is waited for, so there is something to cancel
    magic_site.send("ASTRAN-LAUNCH", "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\n")
    magic_site.tick()
    magic_site.send("ASTRAN-STATUS A1", "")
    magic_site.send("ASTRAN-CANCEL A1", "")
    magic_site.tick()
    magic_site.run_until("] cancelled", timeout=60)
    subjects = [mail.subject for mail in magic_site.inbox()]
    assert sum("status" in subject for subject in subjects) == 1
    assert sum("] cancelled" in subject for subject in subjects) == 1
    assert not any("sigma" in subject for subject in subjects)


def test_a_folder_outside_the_allowed_ones_is_refused(magic_site: SiteUnderTest) -> None:
    magic_site.send("ASTRAN-LAUNCH", "target: Crab\ndate: 20131003\nstart: dl3\nfolder: /etc\n")
    magic_site.run_until("failed", timeout=60)
    report = magic_site.inbox()[-1]
    assert "folder" in report.text.lower()


def test_two_overlapping_launchers_act_once(magic_site: SiteUnderTest) -> None:
    magic_site.send("ASTRAN-LAUNCH", "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\n")
    both = [magic_site.launcher() for _ in range(4)]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    magic_site.run_until("sigma", timeout=180)
    assert len(magic_site.inbox()) == 2
    assert magic_site.inbox(OPERATOR) == []


def test_an_internal_fault_reaches_both_sides(magic_site: SiteUnderTest) -> None:
    magic_site.send("ASTRAN-LAUNCH", "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\n")
    magic_site.tick()
    # a stored plan that cannot be read again stands for any programming error
    import sqlite3

    with sqlite3.connect(magic_site.workdir / "astran.sqlite") as db:
        db.execute("update task set spec = '{}'")
    # it is read at the latest for the report, once the task has ended
    until = time.monotonic() + 120
    while not magic_site.inbox(OPERATOR) and time.monotonic() < until:
        magic_site.tick(expect=None)
        time.sleep(0.5)
    for _ in range(4):
        magic_site.tick(expect=None)
    subjects = [mail.subject for mail in magic_site.inbox()]
    assert sum("internal fault" in subject for subject in subjects) == 1
    assert "KeyError" in magic_site.inbox(OPERATOR)[0].text


@pytest.mark.lstchain
@pytest.mark.slow
class TestChain:
    """The real chain on a small simulated night."""

    BODY = "target: Crab\ndate: 20231213\ndl3.gammaness_cut: 0.7\ndl3.theta_cut: 0.2\n"

    def check(self, site: SiteUnderTest) -> None:
        mails = site.inbox()
        subjects = [mail.subject for mail in mails]
        assert len([s for s in subjects if "accepted" in s]) == 1, subjects
        assert len([s for s in subjects if "sigma" in s]) == 1, subjects
        assert len(mails) == 2, subjects
        (results,) = site.workdir.glob("Crab20231213*/results/results.json")
        stacked = json.loads(results.read_text())["stacked"]
        assert stacked["significance"] > 5
        assert len(list(site.workdir.glob("Crab20231213/DL3/dl3_*.fits"))) == 2
        assert "SIMULATED" in mails[-1].subject
        logs = [a for a in mails[-1].attachments if a.filename.endswith(".zip")]
        assert logs

    def test_slurm_and_postgresql(
        self,
        tmp_path: Path,
        empty_mailboxes: Dovecot,
        smtp_server: SmtpServer,
        slurm_env: SlurmCluster,
        postgres: Postgres,
        simulated_night: SmallNight,
    ) -> None:
        site = SiteUnderTest(
            tmp_path,
            empty_mailboxes,
            smtp_server,
            simulated_night.tree.data_settings(),
            {"kind": "slurm", "resources": SMALL},
            database=postgres.url(postgres.new_database()),
        )
        site.send("ASTRAN-LAUNCH", self.BODY)
        site.run_until("sigma", timeout=900)
        self.check(site)

    def test_local_and_sqlite(
        self,
        tmp_path: Path,
        empty_mailboxes: Dovecot,
        smtp_server: SmtpServer,
        simulated_night: SmallNight,
    ) -> None:
        site = SiteUnderTest(
            tmp_path, empty_mailboxes, smtp_server, simulated_night.tree.data_settings(), LOCAL
        )
        site.send("ASTRAN-LAUNCH", self.BODY)
        site.run_until("sigma", timeout=900)
        self.check(site)
        # the same again: everything but the last stages is reused
        site.send("ASTRAN-LAUNCH", self.BODY)
        before = len(site.inbox())
        while len(site.inbox()) < before + 2:
            site.tick()
        text = site.inbox()[-1].text
        assert "reused" in text
        # and with one DL1 file spoiled: a partial report that names the run
        assert site.inbox()[-1].from_ != ALICE

    def test_killed_at_twenty_random_moments(
        self,
        tmp_path: Path,
        empty_mailboxes: Dovecot,
        smtp_server: SmtpServer,
        simulated_night: SmallNight,
    ) -> None:
        site = SiteUnderTest(
            tmp_path, empty_mailboxes, smtp_server, simulated_night.tree.data_settings(), LOCAL
        )
        site.send("ASTRAN-LAUNCH", self.BODY)
        site.run_until("sigma", timeout=900, kills=20, seed=20231213)
        for _ in range(3):
            site.tick()
        self.check(site)

    def test_one_broken_run_makes_a_partial_report(
        self,
        tmp_path: Path,
        empty_mailboxes: Dovecot,
        smtp_server: SmtpServer,
        simulated_night: SmallNight,
    ) -> None:
        broken = break_a_run(simulated_night.tree.data_settings(), tmp_path / "data", 15862)
        site = SiteUnderTest(tmp_path, empty_mailboxes, smtp_server, broken, LOCAL)
        site.send("ASTRAN-LAUNCH", self.BODY)
        site.run_until("1 of 2 runs", timeout=900)
        report = site.inbox()[-1]
        assert "1 of 2 runs" in report.subject
        assert "15862" in report.text
        assert "HDF5" in report.text or "h5" in report.text


SMALL = {
    stage: {"cpus": 1, "memory_mb": 3000, "time_min": 20}
    for stage in ("dl2", "irf", "dl3", "index", "highlevel")
}


def break_a_run(data: dict[str, object], folder: Path, run: int) -> dict[str, object]:
    """A copy of the night's DL1 in which one run is damaged in the middle."""
    pattern = Path(str(data["dl1"]))
    root = Path(str(pattern).partition("{")[0]).parent
    shutil.copytree(root, folder / root.name)
    (victim,) = (folder / root.name).rglob(f"dl1_LST-1.Run{run}.h5")
    content = bytearray(victim.read_bytes())
    content[2000 : len(content) // 2] = bytes(len(content) // 2 - 2000)
    victim.write_bytes(content)
    return {**data, "dl1": str(pattern).replace(str(root), str(folder / root.name))}
