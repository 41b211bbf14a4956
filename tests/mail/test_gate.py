"""Who may ask: order of the gates, machine mail, authenticity, forgeries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import ALICE, AUTHSERV, LAUNCH, OWN, PASSED, mail, settings

from astran.base.mail_commands import MailCommand, find_command
from astran.config.site import MailSettings
from astran.mail.gate import Judgement, MailVerdict, classify_mail
from astran.mail.parsing.headers import (
    HEADER_BYTES,
    decode,
    one_address,
    read_headers,
    read_message,
)
from astran.mail.parsing.mail_facts import MailFacts

THREAD_ID = "<confirmation.A12.1.0123456789abcdef@lst.example>"


def verdict(raw: bytes, given: MailSettings | None = None) -> MailVerdict:
    return judgement(raw, given).verdict


def judgement(raw: bytes, given: MailSettings | None = None) -> Judgement:
    return classify_mail(MailFacts(read_message(raw)), given or settings())


def test_a_request_by_somebody_who_may_ask() -> None:
    found = judgement(mail())
    assert found.verdict is MailVerdict.TAKE
    assert found.sender == ALICE


@pytest.mark.parametrize(
    "subject",
    [
        "ASTRAN-LAUNCH",
        "astran-launch Crab",
        "Fwd: [ASTRAN-Launch] please",
        "=?utf-8?q?ASTRAN-?= =?utf-8?q?LAUNCH?=",
        "=?iso-8859-1?B?QVNUUkFOLUxBVU5DSA==?=",
        "Grüße: ASTRAN-STATUS A12",
        "ASTRAN-HELP",
    ],
)
def test_keyword_in_the_decoded_subject(subject: str) -> None:
    assert verdict(mail(Subject=subject)) is MailVerdict.TAKE


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "Hello",
        "АSTRAN-LAUNCH",  # a Cyrillic A
        "NOASTRAN-LAUNCH",
        "ASTRAN meeting",
    ],
)
def test_what_is_not_the_keyword_is_left_alone(subject: str) -> None:
    assert verdict(mail(Subject=subject)) is MailVerdict.NOT_OURS


def test_an_answer_to_one_of_our_mails_is_ours_without_keyword() -> None:
    assert verdict(mail(Subject="Re: Crab", In_Reply_To=THREAD_ID)) is MailVerdict.TAKE
    assert verdict(mail(Subject="Re: Crab", References=f"<a@b> {THREAD_ID}")) is MailVerdict.TAKE
    strange = THREAD_ID.replace("lst.example", "other.example")
    assert verdict(mail(Subject="Re: Crab", In_Reply_To=strange)) is MailVerdict.NOT_OURS


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Astran-Loop": "somebody@else.example"},
        {"Message-ID": THREAD_ID},
        {"From": OWN},
        {"From": "ASTRAN <LST-Analysis@LST.example>"},
        {"From": "astran+bounce@lst.example"},
        {"Sender": OWN},
        {"Return-Path": f"<{OWN}>"},
    ],
)
def test_own_mail_comes_first(headers: dict[str, str]) -> None:
    assert verdict(mail(**headers)) is MailVerdict.OWN


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": 'multipart/report; report-type="delivery-status"; boundary=x'},
        {"From": "MAILER-DAEMON@mx.institute.example"},
        {"From": "Mail System <postmaster@institute.example>"},
        {"Return-Path": "<>"},
        {"X-Failed-Recipients": "alice@institute.example"},
    ],
)
def test_bounces(headers: dict[str, str]) -> None:
    assert verdict(mail(**headers)) is MailVerdict.BOUNCE


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Auto-Submitted": "auto-generated; owner-email=x"},
        {"Auto-Submitted": "auto-replied", "Return-Path": "<>"},
        {"Precedence": "bulk"},
        {"Precedence": " List"},
        {"Precedence": "auto_reply"},
        {"List-Id": "<lst.institute.example>"},
        {"List-Unsubscribe": "<mailto:x@y>"},
        {"X-Autoreply": "yes"},
        {"Mailing-List": "list astran@groups.example"},
        {"X-Auto-Response-Suppress": "All"},
        {"X-Loop": "someone"},
        {"From": "no-reply@institute.example"},
        {"From": "lst-noreply@institute.example"},
        {"Subject": "Out of Office: ASTRAN-LAUNCH"},
        {"Subject": "Automatische Antwort: ASTRAN-LAUNCH"},
        {"Subject": "Réponse automatique : ASTRAN-LAUNCH"},
        {"Subject": "=?utf-8?b?6Ieq5Yqo5Zue5aSN?=: ASTRAN-LAUNCH"},
        {"Subject": "Read: ASTRAN-LAUNCH"},
        {"Content-Type": "multipart/report; report-type=disposition-notification; boundary=x"},
        {"Content-Type": "text/calendar; method=REPLY"},
        {"Content-Type": "text/calendar; method=REQUEST"},
        {"Content-Type": "text/calendar; method=CANCEL"},
        {"Content-Class": "urn:content-classes:calendarmessage"},
        {"Subject": "Invitation: ASTRAN-LAUNCH @ Fri Dec 8, 2023"},
        {"Subject": "Cancelled: ASTRAN-LAUNCH"},
        {"Subject": "Canceled event with note: ASTRAN-LAUNCH"},
        {"Subject": "Abgesagt: ASTRAN-LAUNCH"},
        {"Content-Type": "multipart/digest; boundary=x"},
        {"Subject": "ASTRAN-LAUNCH Digest, Vol 3, Issue 5"},
    ],
)
def test_machine_mail_is_never_answered(headers: dict[str, str]) -> None:
    found = verdict(mail(**headers))
    assert found is MailVerdict.MACHINE
    assert not found.may_answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "no"},
        {"Precedence": "normal"},
        # asks for no answers; Exchange writes it on people's mail
        {"X-Auto-Response-Suppress": "None"},
        {"X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply"},
    ],
)
def test_headers_that_deny_it_make_no_machine(headers: dict[str, str]) -> None:
    assert verdict(mail(**headers)) is MailVerdict.TAKE


def test_a_rule_of_the_mail_server_may_suppress_answers_to_people() -> None:
    given = settings(suppress_all_is_automatic=False)
    assert verdict(mail(X_Auto_Response_Suppress="All"), given) is MailVerdict.TAKE


def test_the_loop_test_comes_before_authentication() -> None:
    forged = mail("X-Nothing: 1\r\n", Auto_Submitted="auto-replied")
    assert verdict(forged) is MailVerdict.MACHINE


def results(text: str) -> str:
    return f"Authentication-Results: {text}\r\n"


@pytest.mark.parametrize(
    "top",
    [
        PASSED,
        PASSED.replace(AUTHSERV, AUTHSERV.upper()),
        results(f"{AUTHSERV} 1; dmarc=pass (p=NONE dis=NONE) header.from=institute.example"),
        results(f"{AUTHSERV};\r\n dkim=fail header.d=other.example;\r\n spf=none;"
                "\r\n dmarc=pass header.from=Institute.Example"),
        # one server, four headers, the verdict in the last
        results(f"{AUTHSERV}; dkim=pass header.d=institute.example")
        + results(f"{AUTHSERV}; spf=pass smtp.mailfrom=x@institute.example")
        + results(f"{AUTHSERV}; x-tls=pass smtp.version=TLSv1.3")
        + PASSED,
        "Received: from x by y\r\nDelivered-To: astran@lst.example\r\n" + PASSED,
        # what the sender wrote further down does not count, also if it says something bad
        PASSED + "Received: from x by y\r\n" + results(f"{AUTHSERV}; dmarc=fail header.from=x"),
        PASSED + results("other.example; dmarc=fail header.from=institute.example"),
    ],
)  # fmt: skip
def test_the_server_vouches_for_the_sender(top: str) -> None:
    assert verdict(mail(top)) is MailVerdict.TAKE


@pytest.mark.parametrize(
    "top",
    [
        "X-Nothing: 1\r\n",
        results("other.example; dmarc=pass header.from=institute.example"),
        # a forged header of the right name below one of another server
        results("other.example; none") + PASSED,
        results(f"{AUTHSERV}; none"),
        results(f"{AUTHSERV}; spf=pass smtp.mailfrom=institute.example"),
        results(f"{AUTHSERV}; dmarc=fail header.from=institute.example"),
        results(f"{AUTHSERV}; dmarc=none header.from=institute.example"),
        results(f"{AUTHSERV}; dmarc=pass header.from=evil.example"),
        results(f"{AUTHSERV}; dmarc=pass header.from=sub.institute.example"),
        results(f"{AUTHSERV}; dmarc=pass"),
        results(f"{AUTHSERV}; dmarc=fail header.from=institute.example;"
                " dmarc=pass header.from=institute.example"),
        results(f"{AUTHSERV}; dmarc=pass header.from=institute.example"
                " header.from=evil.example"),
        # the own header and a forged one directly below it
        results(f"{AUTHSERV}; dmarc=fail header.from=institute.example") + PASSED,
        # a gap: the second one was there before the mail arrived
        results(f"{AUTHSERV}; dkim=none") + "Received: from evil by mx\r\n" + PASSED,
        # text that only looks like a verdict: in a quoted local part, in a comment
        results(f'{AUTHSERV}; spf=fail smtp.mailfrom="a; dmarc=pass header.from='
                'institute.example"@evil.example'),
        results(f"{AUTHSERV}; spf=fail (a (nested; dmarc=pass header.from=institute.example))"),
        # no name of a server: not by the standard, and anything below it is not on top
        results("spf=pass; dmarc=pass action=none header.from=institute.example") + PASSED,
        results(f"{AUTHSERV}; dmarc=pass header.from=institute.example (" + "(" * 3000),
        results(f"{AUTHSERV}; " + "(" * 39 + ")" * 39 + "dmarc"),
    ],
)  # fmt: skip
def test_nobody_vouches_for_the_sender(top: str) -> None:
    found = verdict(mail(top))
    assert found is MailVerdict.UNAUTHENTICATED
    assert not found.may_answer


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "nobody",
        f"{ALICE}, eve@institute.example",
        f"{ALICE} <eve@institute.example>",
        f'"x" <{ALICE}> <eve@institute.example>',
        f"group: {ALICE};",
        f"{ALICE} (unclosed",
        f"<{ALICE}",
        f"alice@institute.example\u0000 <{ALICE}>",
    ],
)
def test_a_from_line_with_two_readings_counts_as_none(sender: str) -> None:
    assert verdict(mail(From=sender)) is MailVerdict.UNAUTHENTICATED


def test_two_from_lines_count_as_none() -> None:
    assert verdict(mail(PASSED + f"From: {ALICE}\r\n")) is MailVerdict.UNAUTHENTICATED


_ONCE = {
    "From": ALICE,
    "Sender": ALICE,
    "Reply-To": ALICE,
    "To": OWN,
    "Cc": "bob@institute.example",
    "Bcc": "bob@institute.example",
    "Subject": LAUNCH,
    "Date": "Fri, 08 Dec 2023 09:00:00 +0100",
    "Message-ID": "<1@institute.example>",
    "In-Reply-To": "<0@institute.example>",
    "References": "<0@institute.example>",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain",
    "Content-Transfer-Encoding": "7bit",
}


@pytest.mark.parametrize("name", _ONCE)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_a_header_that_must_be_single_stands_once(
    name: str, spelling: Callable[[str], str]
) -> None:
    once = mail(**{name: _ONCE[name]})
    assert verdict(once) is MailVerdict.TAKE
    more = f"{spelling(name)}: {_ONCE[name]}\r\n".encode()
    for twice in (once.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n", 1), more + once):
        found = judgement(twice)
        assert found.verdict is MailVerdict.UNAUTHENTICATED
        assert not found.verdict.may_answer


def test_a_second_subject_is_seen_wherever_the_keyword_stands() -> None:
    twice = mail(PASSED + "Subject: how to use it\r\n")
    found = judgement(twice)
    assert found.verdict is MailVerdict.UNAUTHENTICATED
    assert "Subject stands twice" in found.reason
    assert verdict(mail(PASSED + "Subject: a\r\n", Subject="b")) is MailVerdict.NOT_OURS


def test_headers_that_stand_often_in_honest_mails_may() -> None:
    top = "Delivered-To: a@b\r\nDelivered-To: c@d\r\nComments: x\r\nComments: y\r\n"
    assert verdict(mail(PASSED + top)) is MailVerdict.TAKE


@pytest.mark.parametrize(
    "line",
    [
        b"a stray line",
        b"",
        b": no name",
        b"Subject : with a blank before the colon",
        b"X-Folded: a\rSubject: ASTRAN-CANCEL A1",
        b"X-Nul: a\0b",
        b"X-Long: " + b"x" * 70_000,
    ],
)
def test_headers_that_two_programs_cut_in_two_ways_prove_nothing(line: bytes) -> None:
    raw = mail().replace(b"Date: ", line + b"\r\nDate: ", 1)
    for message in (read_message(raw), read_headers(raw), read_headers(raw[:HEADER_BYTES])):
        found = classify_mail(MailFacts(message), settings())
        if line:
            assert found.verdict is MailVerdict.UNAUTHENTICATED
        else:
            # the headers end here for everybody
            assert found.verdict is MailVerdict.TAKE


def test_honest_headers_are_clear() -> None:
    folded = mail(PASSED + "X-Spam:\r\n\tno,\r\n  really\r\n \r\nX-8bit: Gr\u00fc\u00dfe\r\n")
    for raw in (folded, folded.replace(b"\r\n", b"\n"), b"From a@b Fri Dec  8\n" + folded):
        assert verdict(raw) is MailVerdict.TAKE
        assert MailFacts(read_headers(raw)).ambiguity == ""


def test_a_name_that_looks_like_an_address_is_only_a_name() -> None:
    found = judgement(mail(From=f'"{ALICE}" <eve@institute.example>'))
    assert found.sender == "eve@institute.example"
    assert found.verdict is MailVerdict.STRANGER


def test_strangers_and_whole_domains() -> None:
    other = results(f"{AUTHSERV}; dmarc=pass header.from=allowed.example")
    assert verdict(mail(other, From="Any <ANY@Allowed.Example>")) is MailVerdict.TAKE
    assert verdict(mail(From="bob@institute.example")) is MailVerdict.STRANGER
    below = results(f"{AUTHSERV}; dmarc=pass header.from=sub.allowed.example")
    assert verdict(mail(below, From="any@sub.allowed.example")) is MailVerdict.STRANGER
    assert MailVerdict.STRANGER.may_answer


def test_the_operator_may_always_ask() -> None:
    given = settings(operator="Bob@institute.example")
    assert verdict(mail(From="bob@institute.example"), given) is MailVerdict.TAKE


def test_without_authserv_id_nobody_is_authentic_unless_the_site_says_so() -> None:
    assert verdict(mail(), settings(authserv_id="")) is MailVerdict.UNAUTHENTICATED
    assert verdict(mail(), settings(authserv_id="", trust_from=True)) is MailVerdict.TAKE
    # a pinned name is not weakened by it
    bad = mail(results(f"{AUTHSERV}; dmarc=fail header.from=institute.example"))
    assert verdict(bad, settings(trust_from=True)) is MailVerdict.UNAUTHENTICATED


def test_find_command() -> None:
    assert find_command("re: astran-cancel a12") == (MailCommand.CANCEL, 17)
    assert find_command("xASTRAN-LIST ASTRAN-LIST") == (MailCommand.LIST, 24)


def test_decoding_of_words() -> None:
    assert decode("=?utf-8?b?w6?= =?utf-8?b?k=?=") != ""
    assert decode("=?utf-8?q?=C3?= =?utf-8?q?=A4?=") == "ä"
    assert decode("=?hex?q?41?= =?x-unknown?b?QQ?=") == "41A"
    assert decode("a =?utf-8?q?b?= c") == "a b c"


@given(st.binary(max_size=400), st.sampled_from(["From", "Subject", "Authentication-Results"]))
def test_no_header_raises(value: bytes, name: str) -> None:
    raw = name.encode() + b": " + value.replace(b"\n", b" ").replace(b"\r", b" ") + b"\r\n"
    top = PASSED.encode() if name != "Authentication-Results" else b""
    found = classify_mail(MailFacts(read_message(top + raw + mail("X: 1\r\n"))), settings())
    assert found.verdict in MailVerdict


@given(st.binary(max_size=2000))
def test_no_mail_raises(raw: bytes) -> None:
    assert (
        classify_mail(
            MailFacts(read_message(raw)), settings(trust_from=True, authserv_id="")
        ).verdict
        in MailVerdict
    )


@given(st.text(max_size=200))
def test_no_address_raises(text: str) -> None:
    found = one_address(text)
    assert found is None or found.count("@") == 1


def test_the_subject_of_a_launch_is_the_keyword() -> None:
    assert MailCommand.LAUNCH == LAUNCH
