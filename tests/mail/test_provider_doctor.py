"""What `astran doctor` says of the mails that lie in the mailbox."""

from __future__ import annotations

import pytest
from fakes.mailbox import FakeMailbox
from mail_samples import AUTHSERV, PASSED, mail, settings
from test_providers import APPLE, GROUP, MICROSOFT

from astran.base.findings import Finding, Result
from astran.service.doctor.mail import probe_provider

ENTRY = "Received: from a (a [192.0.2.7]) by mx.lst.example with ESMTP\r\n"
RELAY = "Received: from b (b [192.0.2.8]) by relay.other.example with ESMTP\r\n"


def said(*tops: str, **changes: object) -> list[Finding]:
    box = FakeMailbox()
    for top in tops:
        box.add(mail(top))
    return list(probe_provider(settings(**changes), box, box.highest_uid()))


def test_findings_that_are_those_of_the_setting() -> None:
    [finding] = said(PASSED + ENTRY, ENTRY + PASSED)
    assert finding.result is Result.OK
    assert AUTHSERV in finding.message


@pytest.mark.parametrize(
    ("top", "words"),
    [
        (MICROSOFT, ("microsoft365", "mail.authserv_id")),
        (APPLE, ("icloud", "mail.authserv_id")),
        (RELAY + PASSED, (AUTHSERV, "mail.own_hosts")),
        (ENTRY, ("None of the newest 1", "mail.verify_dkim")),
    ],
)
def test_the_setting_that_would_fit_is_named(top: str, words: tuple[str, ...]) -> None:
    [finding] = said(top)
    assert finding.result is Result.WARN
    for word in words:
        assert word in f"{finding.message} {finding.cure}"


def test_a_group_before_the_mailbox_is_named() -> None:
    assert "astran.lst.example" in said(PASSED + ENTRY + GROUP)[1].message
    assert len(said(PASSED + ENTRY + GROUP, lists=("astran.lst.example",))) == 1


def test_an_empty_mailbox_says_nothing() -> None:
    assert said() == []
    assert said("X: 1\r\n", authserv_id="", verify_dkim=True) == []
