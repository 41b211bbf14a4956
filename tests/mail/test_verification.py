"""Senders verified by the mail itself: DKIM signatures and secrets."""

from __future__ import annotations

import base64
import importlib.util
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import require
from mail_samples import ALICE, BLOCK, OWN, mail, settings

from astran.base.errors import DnsUnavailable
from astran.base.night import Night
from astran.config.secrets import Secret
from astran.config.site import MailSettings
from astran.mail.gate import MailVerdict, classify_mail
from astran.mail.parsing.headers import read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.senders.verification import look_up_txt, verify_sender, without_secret
from astran.service.intake.decision import MailOutcome, decide_from_headers, decide_mail

# each put once more on top of a whole mail
TWICE = [
    ("Subject", "ASTRAN-LAUNCH"), ("sUBJECT", "ASTRAN-LAUNCH"), ("Message-Id", "<2@x.example>"),
    ("MESSAGE-ID", "<2@x.example>"), ("date", "Fri, 08 Dec 2023 10:00:00 +0100"),
    ("from", ALICE), ("TO", OWN), ("content-type", "text/html"),
]  # fmt: skip
TODAY = Night.parse("20231210")
Lookup = Callable[..., bytes | None]


SIGNED = "from to subject date message-id content-type content-transfer-encoding"


class Signer:
    """A key, what the DNS says about it, and signatures made with it."""

    def __init__(self, folder: Path, bits: int = 2048) -> None:
        key = folder / "key.pem"
        openssl = ["openssl", "genrsa", "-traditional", "-out", str(key), str(bits)]
        subprocess.run(openssl, check=True, capture_output=True)
        public = ["openssl", "rsa", "-in", str(key), "-pubout", "-outform", "DER"]
        der = subprocess.run(public, check=True, capture_output=True).stdout
        self.pem = key.read_bytes()
        self.record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)

    def lookup(self, name: bytes, timeout: float = 5) -> bytes | None:
        return self.record if name.startswith(b"sel._domainkey.") else None

    def sign(
        self, raw: bytes, domain: str = "institute.example", headers: str = SIGNED,
        length: bool = False, algorithm: bytes = b"rsa-sha256",
    ) -> bytes:  # fmt: skip
        import dkim

        names = [name.encode() for name in headers.split()]
        made: bytes = dkim.sign(
            raw, b"sel", domain.encode(), self.pem, include_headers=names, length=length,
            signature_algorithm=algorithm,
        )  # fmt: skip
        return made + raw


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    require(importlib.util.find_spec("dkim"), "dkimpy", "pip install 'astran[dkim]'")
    require(shutil.which("openssl"), "openssl", "apt-get install openssl")
    return Signer(tmp_path_factory.mktemp("dkim"))


RULES = settings(authserv_id="", verify_dkim=True)
UNSIGNED = mail("X-Top: 1\r\n", Content_Type="text/plain")


def verdict(raw: bytes, lookup: Lookup, rules: MailSettings = RULES) -> MailVerdict:
    message = read_message(raw)
    return classify_mail(
        MailFacts(message), rules, verify_sender(raw, message, rules, lookup)
    ).verdict


def test_the_headers_alone_do_not_settle_it() -> None:
    assert classify_mail(MailFacts(read_message(UNSIGNED)), RULES).verdict is MailVerdict.UNSETTLED
    assert decide_from_headers(MailFacts(read_message(UNSIGNED)), len(UNSIGNED), RULES) is None
    large = decide_from_headers(MailFacts(read_message(UNSIGNED)), 10**8, RULES)
    assert large is not None
    assert large.outcome is MailOutcome.QUARANTINE


def test_a_signature_of_the_from_domain_is_believed(signer: Signer) -> None:
    assert verdict(signer.sign(UNSIGNED), signer.lookup) is MailVerdict.TAKE
    below = mail("X-Top: 1\r\n", From="a@allowed.example")
    assert verdict(signer.sign(below, "allowed.example"), signer.lookup) is MailVerdict.TAKE
    stranger = mail("X-Top: 1\r\n", From="bob@institute.example")
    assert verdict(signer.sign(stranger), signer.lookup) is MailVerdict.STRANGER


def test_what_is_no_proof(signer: Signer) -> None:
    good = signer.sign(UNSIGNED)
    cases = {
        "unsigned": UNSIGNED,
        "changed": good.replace(b"Crab", b"Mrk 421"),
        "another subject": good.replace(b"ASTRAN-LAUNCH", b"ASTRAN-STATUS"),
        "another sender": good.replace(b"alice@", b"anna@"),
        "another domain": signer.sign(UNSIGNED, "evil.example"),
        "a domain below": signer.sign(UNSIGNED, "sub.institute.example"),
        "a look-alike above": signer.sign(UNSIGNED, "stitute.example"),
        "top level": signer.sign(UNSIGNED, "example"),
        **{
            f"{name} not signed": signer.sign(UNSIGNED, headers=SIGNED.replace(name, "to"))
            for name in ("subject", "date", "message-id", "content-type")
        },
        "rsa-sha1": signer.sign(UNSIGNED, algorithm=b"rsa-sha1"),
        "only a part": signer.sign(UNSIGNED, length=True) + b"more\r\n",
        "garbage": b"DKIM-Signature: v=1; d=institute.example; h=from:subject\r\n" + UNSIGNED,
        "too many": b"DKIM-Signature: d=institute.example\r\n" * 9 + good,
    }
    for name, raw in cases.items():
        assert verdict(raw, signer.lookup) is MailVerdict.UNAUTHENTICATED, name
    assert verdict(good, lambda name, timeout=5: None) is MailVerdict.UNAUTHENTICATED, "no key"


def test_the_verdict_says_what_the_signature_leaves_out(signer: Signer) -> None:
    raw = signer.sign(UNSIGNED, headers="from subject date message-id")
    message = read_message(raw)
    reason = classify_mail(
        MailFacts(message), RULES, verify_sender(raw, message, RULES, signer.lookup)
    ).reason
    assert reason == "the DKIM signature of institute.example does not cover Content-Type"


def test_headers_that_are_not_there_need_not_be_signed(signer: Signer) -> None:
    plain = mail("X-Top: 1\r\n")
    raw = signer.sign(plain, headers="from subject date message-id")
    assert verdict(raw, signer.lookup) is MailVerdict.TAKE
    added = raw.replace(b"X-Top: 1", b"Content-Transfer-Encoding: base64")
    assert verdict(added, signer.lookup) is MailVerdict.UNAUTHENTICATED


def test_a_small_key_proves_nothing(tmp_path: Path, signer: Signer) -> None:
    small = Signer(tmp_path, bits=768)
    assert verdict(small.sign(UNSIGNED), small.lookup) is MailVerdict.UNAUTHENTICATED


def test_a_header_that_was_put_above_the_signed_one_ends_the_proof(signer: Signer) -> None:
    good = signer.sign(UNSIGNED)
    for name, value in TWICE:
        raw = f"{name}: {value}\r\n".encode() + good
        assert verdict(raw, signer.lookup) is (
            MailVerdict.UNAUTHENTICATED if f"\r\n{name.lower()}: " in good.decode().lower()
            else MailVerdict.TAKE
        ), name  # fmt: skip


def test_a_body_of_blanks_is_not_verified(signer: Signer) -> None:
    raw = signer.sign(mail("X-Top: 1\r\n", body=" " * 400_000 + "x\n"))
    begin = time.process_time()
    assert verdict(raw, signer.lookup) is MailVerdict.UNAUTHENTICATED
    assert time.process_time() - begin < 5  # quadratic: half a minute


def test_a_signature_does_not_help_where_the_server_stamps(signer: Signer) -> None:
    rules = settings(verify_dkim=True)
    assert verdict(signer.sign(UNSIGNED), signer.lookup, rules) is MailVerdict.UNAUTHENTICATED


@pytest.mark.parametrize(
    "trouble", [DnsUnavailable("SERVFAIL"), TimeoutError(), OSError("unreachable")]
)
def test_while_the_dns_does_not_answer_a_mail_waits(signer: Signer, trouble: Exception) -> None:
    def lookup(name: bytes, timeout: float = 5) -> bytes | None:
        raise trouble

    raw = signer.sign(UNSIGNED)
    assert verdict(raw, lookup) is MailVerdict.UNSETTLED
    found = decide_mail(raw, RULES, TODAY, verify_sender(raw, read_message(raw), RULES, lookup))
    assert found.outcome is MailOutcome.WAIT
    assert not found.outcome.replied
    stranger = signer.sign(mail("X-Top: 1\r\n", From="bob@institute.example"))
    assert verdict(stranger, lookup) is MailVerdict.UNAUTHENTICATED, "no stranger is waited for"
    # what proves nothing anyway is not asked about
    assert verdict(UNSIGNED, lookup) is MailVerdict.UNAUTHENTICATED
    part = signer.sign(UNSIGNED, length=True)
    assert verdict(part, lookup) is MailVerdict.UNAUTHENTICATED


def test_a_second_signature_may_do_while_the_dns_fails_for_the_first(signer: Signer) -> None:
    once = signer.sign(UNSIGNED)
    twice = once.replace(b"DKIM-Signature:", b"DKIM-Signature: v=1; a=rsa-sha256; "
        b"d=institute.example; s=lost; h=from:to:subject:date:message-id:content-type; "
        b"bh=AA==; b=AA==\r\nDKIM-Signature:", 1)  # fmt: skip

    def lookup(name: bytes, timeout: float = 5) -> bytes | None:
        if name.startswith(b"lost"):
            raise TimeoutError
        return signer.record

    assert verdict(twice, lookup) is MailVerdict.TAKE


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("NXDOMAIN", None),
        ("NoAnswer", None),
        ("LabelTooLong", None),
        ("Timeout", "trouble"),
        ("NoNameservers", "trouble"),
        ("NoResolverConfiguration", "trouble"),
    ],
)
def test_what_the_dns_says(answer: str, found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """NXDOMAIN is an answer, SERVFAIL and silence are none (RFC 6376 section 6.1.2)."""
    require(importlib.util.find_spec("dns"), "dnspython", "pip install 'astran[dkim]'")
    import dns.exception
    import dns.name
    import dns.resolver

    kinds = {**vars(dns.exception), **vars(dns.name), **vars(dns.resolver)}

    def resolve(*_: object, **__: object) -> None:
        raise kinds[answer]

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    if found is None:
        assert look_up_txt(b"sel._domainkey.institute.example.") is None
    else:
        with pytest.raises(DnsUnavailable):
            look_up_txt(b"sel._domainkey.institute.example.")


NOW = datetime(2023, 12, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "outcome"),
    [
        ("Fri, 08 Dec 2023 09:00:00 +0100", MailOutcome.LAUNCH),
        ("Sun, 03 Dec 2023 13:30:00 +0100", MailOutcome.LAUNCH),
        ("Sun, 03 Dec 2023 12:30:00 +0100", MailOutcome.ERROR_REPLY),
        ("Wed, 08 Dec 2021 09:00:00 +0100", MailOutcome.ERROR_REPLY),
        ("Tue, 08 Dec 2026 09:00:00 +0100", MailOutcome.ERROR_REPLY),
        ("nonsense", MailOutcome.ERROR_REPLY),
        ("", MailOutcome.ERROR_REPLY),
    ],
)
def test_an_old_signed_mail_starts_nothing(signer: Signer, date: str, outcome: MailOutcome) -> None:
    """7 days by default; its sender is told, and nothing else is done."""
    for subject in ("ASTRAN-LAUNCH", "ASTRAN-CANCEL A1", "ASTRAN-RETRY A1"):
        raw = signer.sign(mail("X-Top: 1\r\n", Date=date, Subject=subject))
        proof = verify_sender(raw, read_message(raw), RULES, signer.lookup)
        found = decide_mail(raw, RULES, TODAY, proof, now=NOW)
        if outcome is MailOutcome.LAUNCH:
            assert found.acts
        else:
            assert found.outcome is outcome
            assert found.config is None
            assert not found.acts
            assert found.problems[0].suggestion == "Send it again."
    raw = signer.sign(mail("X-Top: 1\r\n", Date=date))
    proof = verify_sender(raw, read_message(raw), RULES, signer.lookup)
    patient = RULES.model_copy(update={"max_age_days": 10_000.0})
    if date.startswith("Wed"):
        assert decide_mail(raw, patient, TODAY, proof, now=NOW).outcome is MailOutcome.LAUNCH


@pytest.fixture
def secret_rules(tmp_path: Path) -> MailSettings:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text("Blue-Giraffe-42\n")
    return settings(authserv_id="", secrets={ALICE.upper(): Secret(file=path)})


def decided(raw: bytes, rules: MailSettings) -> MailOutcome:
    return decide_mail(raw, rules, TODAY).outcome


def test_a_secret_in_the_text(secret_rules: MailSettings) -> None:
    raw = mail("X: 1\r\n", body=f"secret: Blue-Giraffe-42\n{BLOCK}")
    decision = decide_mail(raw, secret_rules, TODAY)
    assert decision.outcome is MailOutcome.LAUNCH
    assert "Giraffe" not in decision.text, "answers must not show it"
    assert "secret" not in decision.params


def test_a_secret_in_the_address(secret_rules: MailSettings) -> None:
    tagged = OWN.replace("@", "+blue-giraffe-42@")
    assert decided(mail("X: 1\r\n", To=tagged), secret_rules) is MailOutcome.LAUNCH
    elsewhere = tagged.replace("lst.example", "evil.example")
    assert decided(mail("X: 1\r\n", To=elsewhere), secret_rules) is MailOutcome.QUARANTINE


def test_without_the_right_secret_there_is_silence(secret_rules: MailSettings) -> None:
    for body in (BLOCK, f"secret: nonsense\n{BLOCK}", f"secret:\n{BLOCK}",
                 f"{BLOCK}\n> secret: Blue-Giraffe-42\n"):  # fmt: skip
        assert decided(mail("X: 1\r\n", body=body), secret_rules) is MailOutcome.QUARANTINE, body
    other = mail("X: 1\r\n", From="b@allowed.example", body=f"secret: Blue-Giraffe-42\n{BLOCK}")
    assert decided(other, secret_rules) is MailOutcome.QUARANTINE


def test_line_numbers_stay_without_the_secret() -> None:
    assert without_secret("a\nSecret = x\nb") == "a\n\nb"
