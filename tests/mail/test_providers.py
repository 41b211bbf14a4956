"""Mail as providers and groups deliver it: where the server's own headers stand, and which count.

The forms are those that Google, Microsoft 365, iCloud, Fastmail and Postfix write.
"""

# ruff: noqa: E501 - lines as programs write them
from __future__ import annotations

import pytest
from mail_samples import ALICE, AUTHSERV, OWN, PASSED, mail, settings

from astran.base.night import Night
from astran.config.site import MailSettings
from astran.mail.gate import Judgement, MailVerdict, classify_mail
from astran.mail.identity import organization
from astran.mail.parsing.headers import read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.senders.authentication_results import likely_authserv_id
from astran.mail.senders.delivery_path import is_from_outside, own_hosts
from astran.service.intake.decision import MailOutcome, decide_mail

TODAY = Night.parse("20231210")


def judge(raw: bytes, rules: MailSettings) -> Judgement:
    return classify_mail(MailFacts(read_message(raw)), rules)


def results(text: str) -> str:
    return f"Authentication-Results: {text}\r\n"


GOOGLE = (
    "Delivered-To: astran@lst.example\r\n"
    "Received: by 2002:a05:6a10:1234:b0:1 with SMTP id x1;\r\n        Fri, 8 Dec 2023 01:00:00 -0800\r\n"
    "X-Received: by 2002:a17:906:1 with SMTP id y;\r\n        Fri, 8 Dec 2023 01:00:00 -0800\r\n"
    "Return-Path: <alice@institute.example>\r\n"
    "Received: from mail.institute.example (mail.institute.example. [192.0.2.7])\r\n"
    "        by mx.google.com with ESMTPS id z; Fri, 8 Dec 2023 01:00:00 -0800\r\n"
    "Received-SPF: pass (google.com: ok) client-ip=192.0.2.7;\r\n"
    + results("mx.google.com;\r\n       dkim=pass header.i=@institute.example header.s=s;\r\n"
              "       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=institute.example")
)  # fmt: skip
MICROSOFT = (
    "Received: from A.eurprd05.prod.outlook.com (2603:10a6::1) by\r\n"
    " B.eurprd05.prod.outlook.com with HTTPS; Fri, 8 Dec 2023 09:00:00 +0000\r\n"
    "Received: from C.eop-EUR05.prod.protection.outlook.com (2603::2) by\r\n"
    " A.outlook.office365.com (2603::3) with Microsoft SMTP Server; Fri, 8 Dec 2023 09:00:00 +0000\r\n"
    + results("spf=pass (sender IP is 192.0.2.7)\r\n smtp.mailfrom=institute.example; dkim=pass"
              " (signature was verified)\r\n header.d=institute.example;dmarc=pass action=none\r\n"
              " header.from=institute.example;compauth=pass reason=100")
    + "Received-SPF: Pass (protection.outlook.com: ok)\r\n"
    "Received: from mail.institute.example (192.0.2.7) by C.mail.protection.outlook.com\r\n"
    " with Microsoft SMTP Server; Fri, 8 Dec 2023 09:00:00 +0000\r\n"
)  # fmt: skip
APPLE = (
    "Received: from p00-mailgateway.icloud.com by p01-store.me.com (mailgateway 2023)\r\n"
    "\twith SMTP id 1; Fri, 8 Dec 2023 09:00:00 GMT\r\n"
    + results("bimi.icloud.com; bimi=skipped reason=\"insufficient dmarc\"")
    + "X-ARC-Info: policy=fail; arc=none\r\n"
    + results("arc.icloud.com; arc=none")
    + results("dmarc.icloud.com; dmarc=pass header.from=institute.example")
    + "X-DMARC-Info: pass=pass; dmarc-policy=none; s=r1; d=r1\r\nX-DMARC-Policy: v=DMARC1;p=none\r\n"
    + results("dkim-verifier.icloud.com;\r\n\tdkim=pass (2048-bit key) header.d=institute.example")
    + results("spf.icloud.com; spf=pass smtp.mailfrom=alice@institute.example")
    + "Received-SPF: pass (spf.icloud.com: ok)\r\n"
    "Received: from mail.institute.example [192.0.2.7] by p00-icloudmta.icloud.com\r\n"
)  # fmt: skip
FASTMAIL = (
    "Received: from compute5.internal (compute5.nyi.internal [10.202.2.45])\r\n"
    "\t by sloti1 (Cyrus) with LMTPA; Fri, 08 Dec 2023 04:00:00 -0500\r\n"
    "Received: from mx1 ([10.202.2.200])\r\n  by compute5.internal (LMTPProxy); Fri, 08 Dec 2023\r\n"
    + results("mx1.messagingengine.com; dkim=pass header.d=institute.example")
    + results("mx1.messagingengine.com; dmarc=pass header.from=institute.example")
    + "Received: from mail.institute.example (mail [192.0.2.7]) by mx1.messagingengine.com\r\n"
)
FORMS = {
    "mx.google.com": GOOGLE,
    "microsoft365": MICROSOFT,
    "icloud": APPLE,
    "mx1.messagingengine.com": FASTMAIL,
}


@pytest.mark.parametrize("name", FORMS)
def test_a_provider_is_believed_by_its_setting_alone(name: str) -> None:
    raw = mail(FORMS[name])
    assert judge(raw, settings(authserv_id=name)).verdict is MailVerdict.TAKE
    assert likely_authserv_id(MailFacts(read_message(raw))) == name
    for other in FORMS:
        if other != name:
            assert judge(raw, settings(authserv_id=other)).verdict is MailVerdict.UNAUTHENTICATED
    failed = raw.replace(b"dmarc=pass", b"dmarc=fail")
    assert judge(failed, settings(authserv_id=name)).verdict is MailVerdict.UNAUTHENTICATED
    lost = raw.replace(b"dmarc=pass", b"dmarc=temperror")
    assert judge(lost, settings(authserv_id=name)).verdict is MailVerdict.UNAUTHENTICATED


@pytest.mark.parametrize("name", FORMS)
def test_what_the_sender_brought_along_is_never_believed(name: str) -> None:
    """The provider wrote nothing; below the line of another server stands what it would write."""
    foreign = "Received: from pc (pc [198.51.100.9]) by relay.evil.example with ESMTP\r\n"
    found = judge(mail(foreign + FORMS[name]), settings(authserv_id=name))
    assert found.verdict is MailVerdict.UNAUTHENTICATED
    assert "relay.evil.example" in found.reason


def test_below_the_line_of_entry_nothing_counts_that_looks_like_an_own_line() -> None:
    entry = "Received: from evil (evil [198.51.100.9]) by mx.lst.example with ESMTP\r\n"
    for forged in (
        "Received: by mx.lst.example (Postfix) id 1\r\n",
        "Received: from mx.lst.example by store.lst.example with LMTP\r\n",
        "Received: from a (a [198.51.100.8]) by mx.lst.example\r\n",
    ):
        found = judge(mail(entry + forged + PASSED), settings())
        assert found.verdict is MailVerdict.UNAUTHENTICATED
    # a server that writes its findings below its line, and takes out forged ones (RFC 8601, 5)
    assert judge(mail(entry + PASSED), settings()).verdict is MailVerdict.TAKE


@pytest.mark.parametrize(
    "client", ["mx.lst.example", "x ([127.0.0.1])", "localhost (x [IPv6:::1])", "x ([10.0.0.7])"]
)
def test_the_store_may_have_any_name(client: str) -> None:
    store = f"Received: from {client} by imap7.provider.example with LMTP id 1\r\n"
    assert judge(mail(store + PASSED), settings()).verdict is MailVerdict.TAKE


def test_a_relay_of_the_site_may_stand_above() -> None:
    relay = "Received: from mx (mx [192.0.2.9]) by relay.observatory.example\r\n"
    assert judge(mail(relay + PASSED), settings()).verdict is MailVerdict.UNAUTHENTICATED
    known = settings(own_hosts=("observatory.example",))
    assert judge(mail(relay + PASSED), known).verdict is MailVerdict.TAKE
    own = "Received: from mx.lst.example by store.lst.example with LMTP\r\n"
    assert judge(mail(own + PASSED), settings()).verdict is MailVerdict.TAKE


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("mx.lst.example", "lst.example"),
        ("a.b.oxford.ac.uk", "oxford.ac.uk"),
        ("oxford.ac.uk", "oxford.ac.uk"),
        ("mx.in2p3.fr", "in2p3.fr"),
        ("localhost", "localhost"),
    ],
)
def test_whose_host_it_is(host: str, whose: str) -> None:
    assert organization(host) == whose


@pytest.mark.parametrize(
    ("received", "outside"),
    [
        ("", False),
        ("Received: by mx.lst.example (Postfix) id 1; Fri, 8 Dec 2023\r\n", False),
        ("Received: from localhost (localhost [127.0.0.1]) by mx.lst.example\r\n", False),
        ("Received: from pool (x [10.1.2.3]) by mx.lst.example\r\n", False),
        ("Received: from store.lst.example by mx.lst.example\r\n", False),
        ("Received: from evil (evil [198.51.100.9]) by mx.lst.example\r\n", True),
        # says that it is an own one; its address tells otherwise
        ("Received: from mx.lst.example (x [198.51.100.9]) by mx.lst.example\r\n", True),
        ("Received: from x by relay.evil.example\r\n", True),
        ("Received: nonsense\r\n", True),
    ],
)
def test_where_a_mail_came_in(received: str, outside: bool) -> None:
    facts = MailFacts(read_message(mail(received or "X: 1\r\n")))
    assert is_from_outside(facts, own_hosts(settings())) is outside


GROUP = (
    "Precedence: list\r\nMailing-list: list astran@lst.example; contact astran+owners@lst.example\r\n"
    "List-ID: ASTRAN requests <astran.lst.example>\r\nSender: astran@lst.example\r\n"
    "List-Unsubscribe: <mailto:googlegroups-manage+1+unsubscribe@lst.example>\r\n"
    "X-BeenThere: astran@lst.example\r\nX-Google-Group-Id: 123\r\n"
)  # fmt: skip


def test_a_mailbox_behind_a_group() -> None:
    raw = mail(PASSED + GROUP)
    assert judge(raw, settings()).verdict in (MailVerdict.OWN, MailVerdict.MACHINE)
    behind = settings(lists=("<ASTRAN.lst.example>",))
    assert judge(raw, behind).verdict is MailVerdict.TAKE
    assert decide_mail(raw, behind, TODAY).outcome is MailOutcome.LAUNCH
    for change in (
        raw.replace(b"astran.lst.example>", b"other.lst.example>"),
        raw.replace(b"List-ID", b"X-List"),
        raw.replace(b"Precedence: list", b"Precedence: auto_reply"),
        mail(PASSED + GROUP + "Auto-Submitted: auto-replied\r\n"),
        mail(PASSED + GROUP + "List-Id: <another.example>\r\n"),
        mail(PASSED + GROUP, From=OWN),
        mail(PASSED + GROUP, Subject="astran Digest, Vol 3, Issue 5: ASTRAN-LAUNCH"),
    ):
        found = judge(change, behind)
        assert not found.verdict.may_answer, change.decode()


CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{method}BEGIN:VEVENT\r\nSUMMARY:ASTRAN-LAUNCH\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)  # fmt: skip


def parts(kind: str, *inner: tuple[str, str]) -> bytes:
    body = "".join(f"--b\r\n{head}\r\n\r\n{text}\r\n" for head, text in inner)
    return mail(body=f"{body}--b--\r\n", Content_Type=f'{kind}; boundary="b"')


BLOCK = ("Content-Type: text/plain", "target: Crab\r\ndate: 20231207\r\n")


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL", "REPLY", "COUNTER", "ADD"])
@pytest.mark.parametrize(
    "head",
    [
        "Content-Type: text/calendar; charset=utf-8; method={method}",
        'Content-Type: text/calendar; name="invite.ics"\r\nContent-Disposition: attachment',
        "Content-Type: text/calendar",
        "Content-Type: application/ics; name=invite.ics",
    ],
)
@pytest.mark.parametrize("kind", ["multipart/alternative", "multipart/mixed"])
def test_invitations_ask_for_nothing(method: str, head: str, kind: str) -> None:
    entry = CALENDAR.format(method=f"METHOD:{method}\r\n")
    found = decide_mail(parts(kind, BLOCK, (head.format(method=method), entry)), settings(), TODAY)
    assert found.outcome is MailOutcome.IGNORE
    assert not found.outcome.replied


def test_a_calendar_entry_in_an_attachment_is_just_an_attachment() -> None:
    head = 'Content-Type: text/calendar; name="shift.ics"\r\nContent-Disposition: attachment'
    for method in ("", "METHOD:PUBLISH\r\n"):
        entry = CALENDAR.format(method=method)
        found = decide_mail(parts("multipart/mixed", BLOCK, (head, entry)), settings(), TODAY)
        assert found.outcome is MailOutcome.LAUNCH


def test_a_digest_is_never_answered() -> None:
    inner = f"--d\r\n\r\nFrom: {ALICE}\r\nSubject: ASTRAN-LAUNCH\r\n\r\ntarget: Crab\r\n--d--\r\n"
    raw = parts("multipart/mixed", BLOCK, ("Content-Type: multipart/digest; boundary=d", inner))
    assert decide_mail(raw, settings(), TODAY).outcome is MailOutcome.IGNORE


@pytest.mark.parametrize("mark", ["*-- *", "**--**", "_-- _", "-- ", "--", "--\u00a0", "-- \u200b"])
def test_a_signature_mark_in_bold_is_one(mark: str) -> None:
    raw = mail(body=f"target: Crab\ndate: 20231207\n{mark}\nthe shifter\nTarget: great science\n")
    found = decide_mail(raw, settings(), TODAY)
    assert found.outcome is MailOutcome.LAUNCH, found.problems


@pytest.mark.parametrize("charset", ["", "; charset=us-ascii", "; charset=utf-8"])
@pytest.mark.parametrize("code", ["iso2022_jp", "iso2022_kr", "hz"])
def test_codes_that_switch_by_escapes_give_themselves_away(charset: str, code: str) -> None:
    # the header of ISO-2022-KR stands before its first line (RFC 1557)
    text = "target：Crab\ndate：20231207\nruns：15864，15865\n".encode(code)
    raw = mail(body="", Content_Type=f"text/plain{charset}") + text
    found = decide_mail(raw, settings(), TODAY)
    assert found.outcome is MailOutcome.LAUNCH, found.problems
    assert found.params["runs"] == [15864, 15865]


def test_the_authserv_id_of_the_samples() -> None:
    assert likely_authserv_id(MailFacts(read_message(mail()))) == AUTHSERV
