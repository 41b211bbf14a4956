"""Attacks, one by one: none gets in, and none is answered that must not be.

Signatures and headers (RFC 5322, 6376, 8601), text that nobody sees, loops (RFC 3834). Quotas and
forged bounces are tried where there is a store, in `test_mail_limits`.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable

import pytest
from conftest import require
from mail_samples import ALICE, AUTHSERV, BLOCK, OWN, PASSED, mail, settings
from test_verification import Signer

from astran.base.night import Night
from astran.config.site import MailSettings
from astran.mail.parsing.headers import read_message
from astran.mail.senders.verification import verify_sender
from astran.service.intake.decision import MailOutcome, decide_mail

TODAY = Night.parse("20231210")
EVE = "eve@evil.example"
ENTRY = "Received: from evil (evil [198.51.100.9]) by mx.lst.example with ESMTP\r\n"
EVIL = "Received: from pc (pc [198.51.100.8]) by relay.evil.example with ESMTP\r\n"
BAD = PASSED.replace("dmarc=pass", "dmarc=fail")


def results(text: str) -> str:
    return f"Authentication-Results: {text}\r\n"


SENDER: dict[str, bytes] = {
    # findings that the own server did not write
    "no findings": mail("X: 1\r\n"),
    "findings below a foreign server": mail(EVIL + PASSED),
    "findings below the entry and a foreign server": mail(ENTRY + EVIL + PASSED),
    "findings below a made-up own line": mail(
        ENTRY + "Received: by mx.lst.example (Postfix) id 1\r\n" + PASSED),
    "findings below a made-up entry": mail(ENTRY + ENTRY + PASSED),
    "findings below the own ones": mail(BAD + PASSED),
    "findings far below the own ones": mail(BAD + ENTRY + PASSED),
    "findings of another server on top": mail(results("mx.evil.example; none") + PASSED),
    "findings of another name": mail(PASSED.replace(AUTHSERV, f"{AUTHSERV}.evil.example")),
    "findings of a name that begins so": mail(PASSED.replace(AUTHSERV, f"{AUTHSERV}e")),
    "findings of a name with a blank": mail(PASSED.replace(AUTHSERV, "mx lst.example")),
    "findings without a name": mail(PASSED.replace(f"{AUTHSERV}; ", "")),
    "findings in ARC": mail(PASSED.replace("Auth", "ARC-Auth")),
    "findings in X": mail("X-" + PASSED),
    "findings of the original": mail(PASSED.replace("Results", "Results-Original")),
    "pass for another domain": mail(PASSED.replace("from=institute", "from=evil")),
    "pass for a domain below": mail(PASSED.replace("from=", "from=x.")),
    "pass for both": mail(PASSED.replace("\r\n", " header.from=evil.example\r\n")),
    "pass and fail": mail(PASSED.replace("\r\n", "; dmarc=fail\r\n")),
    "fail and pass": mail(BAD.replace("\r\n", "; dmarc=pass header.from=institute.example\r\n")),
    "two passes": mail(PASSED + PASSED),
    "pass in a comment": mail(results(
        f"{AUTHSERV}; dmarc=fail (dmarc=pass header.from=institute.example)")),
    "pass in a nested comment": mail(results(
        f"{AUTHSERV}; spf=fail (a (b; dmarc=pass header.from=institute.example))")),
    "pass in a quoted local part": mail(results(
        f'{AUTHSERV}; spf=fail smtp.mailfrom="; dmarc=pass header.from=institute.example"@e.x')),
    "pass in a reason": mail(results(
        f'{AUTHSERV}; dmarc=fail reason="dmarc=pass header.from=institute.example"')),
    "best guess": mail(PASSED.replace("=pass", "=bestguesspass")),
    "temperror": mail(PASSED.replace("=pass", "=temperror")),
    "spf alone": mail(results(f"{AUTHSERV}; spf=pass smtp.mailfrom={ALICE}")),
    "dkim alone": mail(results(f"{AUTHSERV}; dkim=pass header.d=institute.example")),
    "pass of another letter": mail(PASSED.replace("from=institute", "from=instıtute")),
    # From lines with two readings
    "two addresses": mail(From=f"{ALICE}, {EVE}"),
    "two From lines": mail(PASSED + f"From: {EVE}\r\n"),
    "an address as a name": mail(From=f"{ALICE} <{EVE}>"),
    "two angles": mail(From=f"<{ALICE}> <{EVE}>"),
    "a group": mail(From=f"g: {ALICE};"),
    "an open comment": mail(From=f"{ALICE} ("),
    "an open quote": mail(From=f'"{ALICE}'),
    "a NUL in From": mail(From=f"{ALICE}\0"),
    "an encoded address": mail(From="=?utf-8?q?alice=40institute=2Eexample?="),
    "no From": mail(From=""),
    # headers that stand twice, or are none
    **{
        f"{name} twice": mail(f"{PASSED}{name}: {value}\r\n")
        for name, value in (
            ("Subject", "ASTRAN-CANCEL A1"), ("sUBJECT", "hello"), ("Message-ID", "<2@x.example>"),
            ("Date", "Fri, 08 Dec 2023 10:00:00 +0100"), ("To", OWN),
        )
    },
    "Content-Type twice": mail(PASSED + "Content-Type: text/html\r\n", Content_Type="text/plain"),
    "References twice": mail(PASSED + "References: <a@b>\r\n", References="<c@d>"),
    "a line that is none": mail(PASSED + "ASTRAN\r\n"),
    "a bare CR": mail(PASSED + "X: a\rSubject: ASTRAN-CANCEL A1\r\n"),
    "a NUL in a header": mail(PASSED + "X: a\0\r\n"),
    "a blank before the colon": mail(PASSED + "X : a\r\n"),
    "headers without end": mail(PASSED + "X: " + "x" * 70_000 + "\r\n"),
}  # fmt: skip

MACHINES: dict[str, bytes] = {
    "own mail": mail(X_Astran_Loop=OWN),
    "own address": mail(From=OWN),
    "own address with a tag": mail(From=OWN.replace("@", "+a@")),
    "own Message-ID": mail(Message_ID="<report.A1.1.0123456789abcdef@lst.example>"),
    "absence": mail(Subject="Out of Office: ASTRAN-LAUNCH"),
    "answers by itself": mail(Auto_Submitted="auto-replied"),
    "generated": mail(Auto_Submitted="auto-generated; x=y"),
    "bulk": mail(Precedence="bulk"),
    "list": mail(List_Id="<lst.example>"),
    "loop": mail(X_Loop="somebody"),
    "nobody reads it": mail(From="no-reply@institute.example"),
    "a bounce": mail(Return_Path="<>"),
    "a report": mail(Content_Type="multipart/report; report-type=delivery-status; boundary=b"),
    "a receipt": mail(Content_Type="multipart/report; report-type=disposition-notification"),
    "an invitation": mail(Content_Type="text/calendar; method=REQUEST"),
    "a cancellation": mail(Content_Type="text/calendar; method=CANCEL", Subject="ASTRAN-CANCEL A1"),
    "a digest": mail(Content_Type="multipart/digest; boundary=b"),
    "an invitation by its subject": mail(Subject="Invitation: ASTRAN-LAUNCH"),
    "thanks to a launch": mail(body="Thanks!\n", Subject="Re: ASTRAN-LAUNCH [A1] accepted",
                               In_Reply_To="<confirmation.A1.1.0123456789abcdef@lst.example>"),
    "thanks to a retry": mail(body="Thanks!\n", Subject="Re: ASTRAN-RETRY A1 [A2] accepted",
                              In_Reply_To="<confirmation.A2.1.0123456789abcdef@lst.example>"),
    "an old launch in a quote": mail(
        body=f"Thanks!\n\nOn Fri, Alice wrote:\n> {BLOCK.replace(chr(10), chr(10) + '> ')}\n",
        Subject="Re: ASTRAN-LAUNCH", In_Reply_To="<1@institute.example>"),
}  # fmt: skip


@pytest.mark.parametrize("name", SENDER)
def test_who_is_not_known_gets_nothing_and_hears_nothing(name: str) -> None:
    found = decide_mail(SENDER[name], settings(), TODAY)
    assert found.outcome in (MailOutcome.QUARANTINE, MailOutcome.IGNORE) or (
        # a stranger who is who he says
        found.outcome is MailOutcome.REFUSE and found.sender == EVE
    )


@pytest.mark.parametrize("name", MACHINES)
def test_no_machine_gets_an_answer_and_no_thanks_act(name: str) -> None:
    found = decide_mail(MACHINES[name], settings(), TODAY)
    assert found.outcome is MailOutcome.IGNORE
    assert not found.outcome.replied


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    require(importlib.util.find_spec("dkim"), "dkimpy", "pip install 'astran[dkim]'")
    require(shutil.which("openssl"), "openssl", "apt-get install openssl")
    return Signer(tmp_path_factory.mktemp("dkim"))


PLAIN = mail("X-Top: 1\r\n", Content_Type="text/plain")
Attack = Callable[[Signer, bytes], bytes]
SIGNATURES: dict[str, Attack] = {
    "a changed text": lambda signer, good: good.replace(b"Crab", b"Mrk 421"),
    "a second Subject": lambda signer, good: b"Subject: ASTRAN-CANCEL A1\r\n" + good,
    "a second Message-ID": lambda signer, good: b"message-id: <2@x.example>\r\n" + good,
    "a second Content-Type": lambda signer, good: b"Content-Type: text/html\r\n" + good,
    "a second From": lambda signer, good: f"From: {EVE}\r\n".encode() + good,
    "a part signed": lambda signer, good: signer.sign(PLAIN, length=True) + b"runs: 1\r\n",
    "rsa-sha1": lambda signer, good: signer.sign(PLAIN, algorithm=b"rsa-sha1"),
    "Subject unsigned": lambda signer, good: signer.sign(
        PLAIN, headers="from date message-id content-type"),
    "Date unsigned": lambda signer, good: signer.sign(
        PLAIN, headers="from subject message-id content-type"),
    "coding unsigned": lambda signer, good: signer.sign(PLAIN).replace(
        b"X-Top: 1", b"Content-Transfer-Encoding: base64"),
    "another domain": lambda signer, good: signer.sign(PLAIN, "evil.example"),
    "a look-alike": lambda signer, good: signer.sign(PLAIN, "stitute.example"),
    "top level": lambda signer, good: signer.sign(PLAIN, "example"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNATURES)
def test_no_game_with_a_signature(name: str, signer: Signer) -> None:
    rules: MailSettings = settings(authserv_id="", verify_dkim=True)
    raw = SIGNATURES[name](signer, signer.sign(PLAIN))
    proof = verify_sender(raw, read_message(raw), rules, signer.lookup)
    found = decide_mail(raw, rules, TODAY, proof)
    assert found.outcome is MailOutcome.QUARANTINE, found.reason
    good = signer.sign(PLAIN)
    proof = verify_sender(good, read_message(good), rules, signer.lookup)
    assert decide_mail(good, rules, TODAY, proof).outcome is MailOutcome.LAUNCH


def test_there_are_many() -> None:
    assert len(SENDER) + len(MACHINES) + len(SIGNATURES) >= 80


def test_the_samples_would_get_in_without_the_attack() -> None:
    assert decide_mail(mail(), settings(), TODAY).outcome is MailOutcome.LAUNCH
    assert decide_mail(mail(PASSED + ENTRY), settings(), TODAY).outcome is MailOutcome.LAUNCH
