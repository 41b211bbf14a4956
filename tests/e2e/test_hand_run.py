"""astran --config-analysis FILE: plan, run, interrupt, resume."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from demo_fixtures import SmallNight
from e2e.site_under_test import ALICE, LOCAL, SiteUnderTest
from services.dovecot import Dovecot
from services.smtp import SmtpServer

CONFIG = "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\n"


def astran(site: SiteUnderTest, *words: str) -> list[str]:
    return [sys.executable, "-m", "astran.cli.main", *words, "--site", str(site.file)]


def run(site: SiteUnderTest, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(astran(site, *words), capture_output=True, text=True, timeout=300)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "crab.yml"
    path.write_text(CONFIG)
    return path


def test_without_submit_nothing_is_touched(magic_site: SiteUnderTest, config: Path) -> None:
    done = run(magic_site, "--config-analysis", str(config))
    assert done.returncode == 0, done.stderr
    for word in ("Plan for Crab", "highlevel", "astran.highlevel", "Script_highlevel.sh", "MB"):
        assert word in done.stdout
    assert not magic_site.workdir.exists()


def test_a_run_ends_with_results_and_one_mail(magic_site: SiteUnderTest, config: Path) -> None:
    words = ("--config-analysis", str(config), "--submit", "--verbose", "--email", ALICE)
    done = run(magic_site, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 runs" in done.stdout
    (mail,) = magic_site.inbox()
    assert "sigma" in mail.subject
    again = run(magic_site, *words)
    assert again.returncode == 0
    assert "already ended" in again.stdout
    assert len(magic_site.inbox()) == 1


def test_without_email_no_mail_is_sent(magic_site: SiteUnderTest, config: Path) -> None:
    assert run(magic_site, "--config-analysis", str(config), "--submit").returncode == 0
    assert magic_site.inbox() == []


def test_ctrl_c_leaves_the_jobs_and_a_second_run_resumes(
    magic_site: SiteUnderTest, config: Path
) -> None:
    words = ("--config-analysis", str(config), "--submit")
    process = subprocess.Popen(
        astran(magic_site, *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    until = time.monotonic() + 60
    while not list(magic_site.workdir.glob("pool/jobs/*/0.start.json")):
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "To resume" in said
    assert "astran cancel A1" in said
    resumed = run(magic_site, *words)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "Resuming A1" in resumed.stdout
    assert len(list(magic_site.workdir.glob("pool/jobs/*"))) == 1, "nothing was submitted twice"


def test_bad_configurations_name_the_cure(magic_site: SiteUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("target: Crba\ndate: 20131003\n")
    done = run(magic_site, "--config-analysis", str(path))
    assert done.returncode == 2
    assert "Crab" in done.stderr
    path.write_text("target: Crab\ndate: 20131003\ndl3:\n  theta_cutt: 0.2\n")
    done = run(magic_site, "--config-analysis", str(path))
    assert done.returncode == 2
    assert "theta_cut" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_show_report_cancel_and_retry(magic_site: SiteUnderTest, config: Path) -> None:
    words = ("--config-analysis", str(config), "--submit", "--email", ALICE)
    assert run(magic_site, *words).returncode == 0
    listed = json.loads(run(magic_site, "status", "--all", "--json").stdout)
    assert [(row["id"], row["state"]) for row in listed] == [("A1", "done")]
    shown = json.loads(run(magic_site, "show", "A1", "--json").stdout)
    assert shown["tasks"][0]["products"][0]["path"].endswith("results")
    assert "sigma" in run(magic_site, "report", "A1").stdout
    page = magic_site.folder / "report.html"
    assert run(magic_site, "report", "A1", "--html", str(page)).returncode == 0
    assert "<img" in page.read_text()
    assert run(magic_site, "report", "A1", "--to", "bob@astran.test").returncode == 0
    assert len(magic_site.inbox("bob@astran.test")) == 1
    assert "already ended" in run(magic_site, "cancel", "A1").stdout
    assert "runs again as A2" in run(magic_site, "retry", "A1").stdout
    assert "no analysis A9" in run(magic_site, "show", "A9").stderr


@pytest.mark.lstchain
@pytest.mark.slow
def test_the_plan_of_a_night_from_dl1(
    tmp_path: Path, empty_mailboxes: Dovecot, smtp_server: SmtpServer, simulated_night: SmallNight
) -> None:
    data = simulated_night.tree.data_settings()
    site = SiteUnderTest(tmp_path, empty_mailboxes, smtp_server, data, LOCAL)
    path = tmp_path / "crab.yml"
    path.write_text("target: Crab\ndate: 20231213\n")
    done = run(site, "--config-analysis", str(path))
    assert done.returncode == 0, done.stderr
    for word in (
        "dl2-15861",
        "dl3-15862",
        "index",
        "lstchain_create_dl3_file",
        "Software: lstchain",
    ):
        assert word in done.stdout
    assert not site.workdir.exists()
