"""Outgoing mail when the submission server has a bad day."""

from __future__ import annotations

import time

from e2e.site_under_test import SiteUnderTest

BODY = "target: Crab\ndate: 20131003\nstart: dl3\nfolder: rad_max\n"


def test_a_report_does_not_overtake_its_confirmation(magic_site: SiteUnderTest) -> None:
    magic_site.send("ASTRAN-LAUNCH", BODY)
    # the confirmation is put off; by the time it is tried again the report is ready too
    magic_site.smtp.answer("DATA", "451 4.3.0 try later")
    magic_site.tick()
    until = time.monotonic() + 60
    while not list(magic_site.workdir.glob("Crab*/results/results.json")):
        assert time.monotonic() < until
        time.sleep(0.5)
    magic_site.run_until("sigma", timeout=150)
    subjects = [mail.subject for mail in magic_site.inbox()]
    assert len(subjects) == 2, subjects
    assert "accepted" in subjects[0]
    assert "sigma" in subjects[1]


def test_an_answer_that_got_lost_makes_no_second_mail(magic_site: SiteUnderTest) -> None:
    magic_site.send("ASTRAN-LAUNCH", BODY)
    magic_site.smtp.lose_answer()
    magic_site.tick()
    magic_site.run_until("sigma", timeout=150)
    magic_site.tick()
    assert len(magic_site.inbox()) == 2
