"""Senders verified by the mail itself: DKIM signatures and secrets."""

from __future__ import annotations

import base64
import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import require
from mail_samples import ALICE, BLOCK, OWN, mail, settings

from astran.base.night import Night
from astran.config.secrets import Secret
from astran.config.site import MailSettings
from astran.mail.gate import Verdict, judge
from astran.mail.headers import read_message
from astran.mail.proofs import proof_of, without_secret
from astran.service.decide import Outcome, at_the_door, decide

TODAY = Night.parse("20231210")
Lookup = Callable[..., bytes | None]


class Signer:
    """A key, what the DNS says about it, and signatures made with it."""

    def __init__(self, folder: Path) -> None:
        key = folder / "key.pem"
        openssl = ["openssl", "genrsa", "-traditional", "-out", str(key), "2048"]
        subprocess.run(openssl, check=True, capture_output=True)
        public = ["openssl", "rsa", "-in", str(key), "-pubout", "-outform", "DER"]
        der = subprocess.run(public, check=True, capture_output=True).stdout
        self.pem = key.read_bytes()
        self.record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)

    def lookup(self, name: bytes, timeout: float = 5) -> bytes | None:
        return self.record if name.startswith(b"sel._domainkey.") else None

    def sign(
        self, raw: bytes, domain: str = "institute.example", headers: str = "from to subject",
        length: bool = False,
    ) -> bytes:  # fmt: skip
        import dkim

        names = [name.encode() for name in headers.split()]
        made: bytes = dkim.sign(
            raw, b"sel", domain.encode(), self.pem, include_headers=names, length=length
        )
        return made + raw


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    require(importlib.util.find_spec("dkim"), "dkimpy", "pip install 'astran[dkim]'")
    require(shutil.which("openssl"), "openssl", "apt-get install openssl")
    return Signer(tmp_path_factory.mktemp("dkim"))


RULES = settings(authserv_id="", verify_dkim=True)
UNSIGNED = mail("X-Top: 1\r\n", Content_Type="text/plain")


def verdict(raw: bytes, lookup: Lookup, rules: MailSettings = RULES) -> Verdict:
    message = read_message(raw)
    return judge(message, rules, proof_of(raw, message, rules, lookup)).verdict


def test_the_headers_alone_do_not_settle_it() -> None:
    assert judge(read_message(UNSIGNED), RULES).verdict is Verdict.UNSETTLED
    assert at_the_door(read_message(UNSIGNED), len(UNSIGNED), RULES) is None
    large = at_the_door(read_message(UNSIGNED), 10**8, RULES)
    assert large is not None
    assert large.outcome is Outcome.QUARANTINE


def test_a_signature_of_the_from_domain_is_believed(signer: Signer) -> None:
    assert verdict(signer.sign(UNSIGNED), signer.lookup) is Verdict.TAKE
    below = mail("X-Top: 1\r\n", From="a@allowed.example")
    assert verdict(signer.sign(below, "allowed.example"), signer.lookup) is Verdict.TAKE
    stranger = mail("X-Top: 1\r\n", From="bob@institute.example")
    assert verdict(signer.sign(stranger), signer.lookup) is Verdict.STRANGER


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
        "subject not signed": signer.sign(UNSIGNED, headers="from to"),
        "only a part": signer.sign(UNSIGNED, length=True) + b"more\r\n",
        "garbage": b"DKIM-Signature: v=1; d=institute.example; h=from:subject\r\n" + UNSIGNED,
        "too many": b"DKIM-Signature: d=institute.example\r\n" * 9 + good,
    }
    for name, raw in cases.items():
        assert verdict(raw, signer.lookup) is Verdict.UNAUTHENTICATED, name
    assert verdict(good, lambda name, timeout=5: None) is Verdict.UNAUTHENTICATED, "no key"


def test_a_signature_does_not_help_where_the_server_stamps(signer: Signer) -> None:
    rules = settings(verify_dkim=True)
    assert verdict(signer.sign(UNSIGNED), signer.lookup, rules) is Verdict.UNAUTHENTICATED


@pytest.fixture
def secret_rules(tmp_path: Path) -> MailSettings:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text("Blue-Giraffe-42\n")
    return settings(authserv_id="", secrets={ALICE.upper(): Secret(file=path)})


def decided(raw: bytes, rules: MailSettings) -> Outcome:
    return decide(raw, rules, TODAY).outcome


def test_a_secret_in_the_text(secret_rules: MailSettings) -> None:
    raw = mail("X: 1\r\n", body=f"secret: Blue-Giraffe-42\n{BLOCK}")
    decision = decide(raw, secret_rules, TODAY)
    assert decision.outcome is Outcome.LAUNCH
    assert "Giraffe" not in decision.text, "answers must not show it"
    assert "secret" not in decision.params


def test_a_secret_in_the_address(secret_rules: MailSettings) -> None:
    tagged = OWN.replace("@", "+blue-giraffe-42@")
    assert decided(mail("X: 1\r\n", To=tagged), secret_rules) is Outcome.LAUNCH
    elsewhere = tagged.replace("lst.example", "evil.example")
    assert decided(mail("X: 1\r\n", To=elsewhere), secret_rules) is Outcome.QUARANTINE


def test_without_the_right_secret_there_is_silence(secret_rules: MailSettings) -> None:
    for body in (BLOCK, f"secret: nonsense\n{BLOCK}", f"secret:\n{BLOCK}",
                 f"{BLOCK}\n> secret: Blue-Giraffe-42\n"):  # fmt: skip
        assert decided(mail("X: 1\r\n", body=body), secret_rules) is Outcome.QUARANTINE, body
    other = mail("X: 1\r\n", From="b@allowed.example", body=f"secret: Blue-Giraffe-42\n{BLOCK}")
    assert decided(other, secret_rules) is Outcome.QUARANTINE


def test_line_numbers_stay_without_the_secret() -> None:
    assert without_secret("a\nSecret = x\nb") == "a\n\nb"
