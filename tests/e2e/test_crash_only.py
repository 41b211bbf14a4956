"""kill -9 at every line that acts: one confirmation, one analysis, one report."""

from __future__ import annotations

import time

import pytest
from e2e.site_under_test import SiteUnderTest

BODY = "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\n"


def crash(site: SiteUnderTest, moment: str) -> bool:
    """One tick that dies at a moment; False where the moment did not come."""
    process = site.launcher(moment)
    said, _ = process.communicate(timeout=120)
    assert process.returncode in (0, -9), said
    return process.returncode == -9


def check(site: SiteUnderTest) -> None:
    for _ in range(3):
        site.tick()
    subjects = [mail.subject for mail in site.inbox()]
    assert len(subjects) == 2, subjects
    assert "accepted" in subjects[0]
    assert "sigma" in subjects[1]
    assert len(list(site.workdir.glob("*/config_*.yml"))) == 1
    # a place without a job is one that was taken so that no late process can submit it
    assert len(list(site.workdir.glob("pool/jobs/*/job.json"))) == 1
    assert len(list(site.workdir.glob("pool/jobs/*/*.start.json"))) == 1
    assert len(site.inbox("astran@astran.test")) == 0, "every mail was moved to its folder"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("act", ["send", "move", "submit"])
def test_death_around_an_outward_act(magic_site: SiteUnderTest, act: str, when: str) -> None:
    magic_site.send("ASTRAN-LAUNCH", BODY)
    assert crash(magic_site, f"{act}:{when}:1")
    magic_site.run_until("sigma", timeout=180)
    check(magic_site)


@pytest.mark.parametrize("when", ["before", "after"])
def test_death_while_the_report_is_sent(magic_site: SiteUnderTest, when: str) -> None:
    magic_site.send("ASTRAN-LAUNCH", BODY)
    magic_site.tick()
    until = time.monotonic() + 120
    while not crash(magic_site, f"send:{when}:1"):
        assert time.monotonic() < until
        time.sleep(0.5)
    magic_site.run_until("sigma", timeout=180)
    check(magic_site)


@pytest.mark.parametrize("when", ["before", "after"])
def test_death_at_every_commit(magic_site: SiteUnderTest, when: str) -> None:
    """Tick after tick dies one commit later than the one before it."""
    magic_site.send("ASTRAN-LAUNCH", BODY)
    number = 1
    while crash(magic_site, f"commit:{when}:{number}"):
        number += 1
        assert number < 60
    assert number > 8, "a tick that takes in and submits has many commits"
    magic_site.run_until("sigma", timeout=180)
    check(magic_site)
