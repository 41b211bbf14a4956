"""Two releases of lstchain at one site: the same mail works with each."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from demo_fixtures import SmallNight
from e2e.site_under_test import LOCAL, SiteUnderTest
from imap_tools import MailMessage
from other_release import OtherRelease
from services.dovecot import Dovecot
from services.smtp import SmtpServer

MAIL = "target: Crab\ndate: 20231213\nlstchain: {wanted}\n"


def reports(site: SiteUnderTest) -> list[MailMessage]:
    return [mail for mail in site.inbox() if "sigma" in mail.subject]


@pytest.fixture
def site(
    tmp_path: Path,
    empty_mailboxes: Dovecot,
    smtp_server: SmtpServer,
    simulated_night: SmallNight,
    other_release: OtherRelease,
) -> SiteUnderTest:
    """The newer release is that of these tests, the older one has models of its own."""
    here = {"venv": str(Path(sys.executable).parent.parent)}
    lstchain = {"default": "new", "environments": {"new": here, "old": other_release.environment}}
    data = simulated_night.tree.data_settings()
    return SiteUnderTest(tmp_path, empty_mailboxes, smtp_server, data, LOCAL, lstchain=lstchain)


@pytest.mark.lstchain
@pytest.mark.slow
def test_the_same_mail_with_each(site: SiteUnderTest, other_release: OtherRelease) -> None:
    for wanted in ("0.10.x", "0.12.x"):
        site.send("ASTRAN-LAUNCH", MAIL.format(wanted=wanted))
    until = time.monotonic() + 900
    while len(reports(site)) < 2:
        assert time.monotonic() < until, [mail.subject for mail in site.inbox()]
        site.tick(expect=None)
        time.sleep(0.5)
    found = {}
    for path in site.workdir.glob("Crab*/results/results.json"):
        results = json.loads(path.read_text())
        found[results["versions"]["lstchain"]] = results["stacked"]
    assert other_release.version in found
    assert sorted(version[:5] for version in found) == ["0.10.", "0.12."]
    for stacked in found.values():
        assert stacked["significance"] > 5
    # the same events, reconstructed by forests of the same recipe
    old, new = (stacked["excess"] for stacked in found.values())
    assert old == pytest.approx(new, rel=0.25)
    for mail in reports(site):
        assert "sigma" in mail.subject
        assert any(version in mail.text for version in found)


@pytest.mark.lstchain
def test_what_lstchain_does_not_know_is_answered_at_once(site: SiteUnderTest) -> None:
    site.send("ASTRAN-LAUNCH", MAIL.format(wanted="0.11.x"))
    names = "lstchain_config.random_forest_zd_interpolation.interpolate_enrgy: no\n"
    values = "DataBinning.true_energy_n_bins: many\nlstchain_config.events_filters.r: [0, 1]\n"
    site.send("ASTRAN-LAUNCH", MAIL.format(wanted="0.10.x") + names + values)
    said = site.tick()
    release, parameters = (mail.text for mail in site.inbox())
    for word in ("no lstchain 0.11.x", "old (lstchain 0.10.", "new (lstchain 0.12."):
        assert word in release, said
    for word in ("interpolate_energy", "many is no whole number", "livetime"):
        assert word in parameters, said
    assert not list(site.workdir.glob("Crab*"))
