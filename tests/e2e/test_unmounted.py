"""The launcher where the file system of the work folder is not mounted: no mail is taken."""

from __future__ import annotations

from pathlib import Path

from e2e.site_under_test import LOCAL, SERVICE, SiteUnderTest
from services.dovecot import Dovecot
from services.smtp import SmtpServer


def test_no_mail_is_taken_and_nothing_made(
    tmp_path: Path, empty_mailboxes: Dovecot, smtp_server: SmtpServer
) -> None:
    site = SiteUnderTest(tmp_path, empty_mailboxes, smtp_server, {}, LOCAL)
    assert site.tick() == ""
    mounted = site.workdir.rename(tmp_path / "mounted")
    site.workdir.mkdir()
    site.send("ASTRAN-STATUS", "")
    # cron brings next to no environment
    site.environment = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": "/nowhere"}
    for _ in range(2):
        said = site.tick(expect=2)
        assert f"work folder {site.workdir} is not the one that was used before" in said
        assert "Mount" in said
    assert list(site.workdir.iterdir()) == []
    assert [mail.subject for mail in site.inbox(SERVICE)] == ["ASTRAN-STATUS"]
    assert site.inbox() == []
    site.workdir.rmdir()
    mounted.rename(site.workdir)
    site.tick()
    assert "ASTRAN-STATUS" not in [mail.subject for mail in site.inbox(SERVICE)]
    assert len(site.inbox()) == 1
