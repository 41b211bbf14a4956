"""`astran doctor` against real mail servers, whole and broken."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from doctor_patient import Make, found, make_patient
from services.daemon import free_ports
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.base.findings import Finding, Result
from astran.config.model import build_settings
from astran.config.site import MailSettings
from astran.database import chores
from astran.database.connection import Database
from astran.mail.parsing.headers import read_message
from astran.service.doctor import mail as doctor_mail
from astran.service.doctor import test_mail
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.outgoing import login_backoff

SERVICE = "astran@astran.test"


@pytest.fixture
def patient(tmp_path: Path) -> Make:
    return make_patient(tmp_path)


@pytest.fixture
def password(tmp_path: Path, dovecot: Dovecot) -> Path:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text(dovecot.users[SERVICE] + "\n")
    return path


@pytest.fixture
def mail(dovecot: Dovecot, smtp_server: SmtpServer, password: Path) -> dict[str, Any]:
    """A mail section in which everything is right; tests break single values."""
    common = {
        "host": "localhost",
        "user": SERVICE,
        "password": {"file": str(password)},
        "ca_file": str(dovecot.ca_file),
        "timeout": 5,
    }
    return {
        "address": SERVICE,
        "imap": {**common, "port": dovecot.imaps_port},
        "smtp": {**common, "port": smtp_server.port, "security": "starttls"},
        "allow": ["@astran.test"],
        "operator": "operator@astran.test",
        "authserv_id": "mx.astran.test",
    }


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def everything(patient: DoctorContext) -> dict[str, Result]:
    checks = (
        doctor_mail.probe_mail_settings,
        doctor_mail.probe_secrets,
        doctor_mail.probe_imap,
        doctor_mail.probe_smtp,
    )
    return {part: f.result for check in checks for part, f in found(check, patient).items()}


# ---- settings, without any server ----------------------------------------------------------------

BARE = {
    "address": SERVICE,
    "imap": {"host": "localhost", "port": 1},
    "smtp": {"host": "localhost", "port": 1},
}


def test_no_mailbox(patient: Make) -> None:
    assert everything(patient()) == {"mail": Result.WARN}


def test_a_mailbox_that_nobody_may_use(patient: Make) -> None:
    findings = found(doctor_mail.probe_mail_settings, patient(mail=BARE))
    assert {p: f.result for p, f in findings.items()} == {
        "allow list": Result.WARN,
        "sender check": Result.WARN,
        "automatic mail": Result.OK,
        "operator": Result.WARN,
    }
    assert "authserv_id" in findings["sender check"].cure


def test_a_from_line_that_is_believed(patient: Make) -> None:
    mail = {**BARE, "trust_from": True, "authserv_id": "x"}
    finding = found(doctor_mail.probe_mail_settings, patient(mail=mail))["sender check"]
    assert finding.result is Result.WARN
    assert "trust_from" in finding.message


def test_no_password(patient: Make) -> None:
    findings = found(doctor_mail.probe_secrets, patient(mail=BARE))
    assert findings["secrets"].result is Result.FAIL
    assert "mail.imap.password" in findings["secrets"].message


def test_a_password_that_others_can_read(patient: Make, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o644)
    server = {"host": "localhost", "port": 1, "user": "x", "password": {"file": str(path)}}
    finding = found(doctor_mail.probe_secrets, patient(mail={**BARE, "imap": server}))["secrets"]
    assert finding.result is Result.FAIL
    assert "0644" in finding.message
    assert finding.cure == f"Run: chmod 600 {path}"


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({"file": "/nowhere/password"}, "/nowhere/password"),
        ({"env": "ASTRAN_NO_SUCH_VARIABLE"}, "ASTRAN_NO_SUCH_VARIABLE"),
        ({"command": ["/nowhere/pass"]}, "/nowhere/pass"),
        ({"command": [sys.executable, "-c", ""]}, "printed no secret"),
    ],
)
def test_a_password_that_is_not_there(patient: Make, secret: dict[str, Any], words: str) -> None:
    server = {"host": "localhost", "port": 1, "user": "x", "password": secret}
    finding = found(doctor_mail.probe_secrets, patient(mail={**BARE, "imap": server}))["secrets"]
    assert finding.result is Result.FAIL
    assert words in finding.message
    assert finding.message.startswith("mail.imap.password: ")


# ---- real servers --------------------------------------------------------------------------------


@pytest.mark.services
def test_all_is_well(patient: Make, mail: dict[str, Any], dovecot: Dovecot) -> None:
    assert everything(patient(mail=mail)) == {
        "allow list": Result.OK,
        "sender check": Result.OK,
        "automatic mail": Result.OK,
        "secrets": Result.OK,
        "imap": Result.OK,
        "smtp": Result.OK,
    }


@pytest.mark.services
def test_looking_moves_no_mail(
    patient: Make, mail: dict[str, Any], dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    from astran.config.model import build_settings
    from astran.config.site import MailSettings
    from astran.mail.imap import Inbox

    dovecot.deliver(b"Subject: stays\r\nMessage-ID: <stays@astran.test>\r\n\r\nx\r\n", SERVICE)
    everything(patient(mail=mail))
    with Inbox(build_settings(MailSettings, mail, "mail")) as inbox:
        assert inbox.contains("<stays@astran.test>", ["INBOX"])
    assert smtp_server.taken == []


@pytest.mark.services
@pytest.mark.parametrize("name", ["imap", "smtp"])
def test_a_wrong_password(patient: Make, mail: dict[str, Any], password: Path, name: str) -> None:
    password.write_text("wrong\n")
    finding = found(getattr(doctor_mail, f"probe_{name}"), patient(mail=mail))[name]
    assert finding.result is Result.FAIL
    assert "refused the log-in" in finding.message
    assert f"mail.{name}.password" in finding.cure


@pytest.mark.services
@pytest.mark.parametrize("name", ["imap", "smtp"])
def test_a_closed_port(patient: Make, mail: dict[str, Any], name: str) -> None:
    (mail[name]["port"],) = free_ports(1)
    finding = found(getattr(doctor_mail, f"probe_{name}"), patient(mail=mail))[name]
    assert finding.result is Result.FAIL
    assert "out of reach" in finding.message


@pytest.mark.services
@pytest.mark.parametrize("name", ["imap", "smtp"])
def test_a_server_that_says_nothing(
    patient: Make, mail: dict[str, Any], name: str, silent_port: int
) -> None:
    mail[name] |= {"port": silent_port, "timeout": 0.5}
    finding = found(getattr(doctor_mail, f"probe_{name}"), patient(mail=mail))[name]
    assert finding.result is Result.FAIL
    assert "within 0.5 s" in finding.message or "timed out" in finding.message


@pytest.mark.services
@pytest.mark.parametrize("name", ["imap", "smtp"])
def test_a_certificate_that_is_not_trusted(
    patient: Make, mail: dict[str, Any], dovecot: Dovecot, name: str
) -> None:
    mail[name]["ca_file"] = str(dovecot.certificates.stranger)
    finding = found(getattr(doctor_mail, f"probe_{name}"), patient(mail=mail))[name]
    assert finding.result is Result.FAIL
    assert "not trusted" in finding.message
    assert "ca_file" in finding.cure


@pytest.mark.services
@pytest.mark.parametrize("name", ["imap", "smtp"])
def test_a_certificate_file_that_is_gone(patient: Make, mail: dict[str, Any], name: str) -> None:
    mail[name]["ca_file"] = "/nowhere/ca.pem"
    finding = found(getattr(doctor_mail, f"probe_{name}"), patient(mail=mail))[name]
    assert finding.result is Result.FAIL


@pytest.mark.services
def test_a_folder_that_is_not_there(patient: Make, mail: dict[str, Any]) -> None:
    mail["folder"] = "Requests"
    finding = found(doctor_mail.probe_imap, patient(mail=mail))["imap"]
    assert finding.result is Result.FAIL
    assert "SELECT Requests" in finding.message


@pytest.mark.services
def test_a_folder_that_cannot_be_made(patient: Make, mail: dict[str, Any]) -> None:
    mail["processed"] = "a\tb/../../c"
    finding = found(doctor_mail.probe_imap, patient(mail=mail))["imap"]
    assert finding.result is Result.FAIL


@pytest.mark.parametrize(
    ("section", "result", "word"),
    [
        ({"verify_dkim": True}, Result.OK, "DKIM"),
        ({"secrets": {"bob@astran.test": {"env": "X"}}}, Result.OK, "bob@astran.test"),
        ({}, Result.WARN, "quarantined"),
    ],
)
def test_other_ways_to_know_a_sender(
    patient: Make, section: dict[str, Any], result: Result, word: str
) -> None:
    finding = found(doctor_mail.probe_mail_settings, patient(mail={**BARE, **section}))[
        "sender check"
    ]
    assert finding.result is result
    assert word in finding.message


@pytest.mark.services
def test_a_log_in_that_works_again_ends_the_pause(
    patient: Make, mail: dict[str, Any], dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    subject = patient(mail=mail)
    until = datetime(2100, 1, 1, tzinfo=UTC)
    database = Database.open(subject.site.database_url)
    for name in (login_backoff.IMAP, login_backoff.SMTP):
        with database.begin() as db:
            chores.set_hold(db, name, chores.Hold(until, 2, "refused"))
    examinations = {
        login_backoff.IMAP: doctor_mail.probe_imap,
        login_backoff.SMTP: doctor_mail.probe_smtp,
    }
    for name, examination in examinations.items():
        said = " ".join(finding.message for finding in examination(subject))
        assert "goes on now" in said
        assert "goes on now" not in " ".join(f.message for f in examination(subject))
        with database.begin() as db:
            assert chores.get_hold(db, name) is None
    database.close()


@pytest.mark.services
def test_a_test_mail(patient: Make, mail: dict[str, Any], smtp_server: SmtpServer) -> None:
    """It goes to the reader, and a copy shows that receivers can believe it."""
    assert found(test_mail.test_mail, patient(mail=mail)) == {}
    subject = patient("alice@astran.test", mail=mail)
    findings = found(test_mail.test_mail, subject)
    assert findings["test mail"].result is Result.OK
    assert findings["replies"].result is Result.OK
    assert "mx.astran.test says dmarc=pass" in findings["replies"].message
    (taken,) = smtp_server.taken
    assert taken.recipients == ("alice@astran.test", SERVICE)
    assert taken.message["From"] == SERVICE
    assert taken.message["Auto-Submitted"] == "auto-generated"


@pytest.mark.services
def test_a_test_mail_to_the_own_mailbox(
    patient: Make, mail: dict[str, Any], smtp_server: SmtpServer
) -> None:
    findings = found(test_mail.test_mail, patient(SERVICE.upper(), mail=mail))
    assert findings["replies"].result is Result.OK
    assert len(smtp_server.taken) == 1


@pytest.mark.services
@pytest.mark.parametrize("address", ["nobody@elsewhere.example", "no address"])
def test_a_test_mail_that_is_refused(
    patient: Make, mail: dict[str, Any], address: str, smtp_server: SmtpServer
) -> None:
    findings = found(test_mail.test_mail, patient(address, mail=mail))
    assert Result.FAIL in {finding.result for finding in findings.values()}


@pytest.mark.services
def test_a_copy_that_does_not_come_back(
    patient: Make, mail: dict[str, Any], dovecot: Dovecot, tmp_path: Path, smtp_server: SmtpServer
) -> None:
    password = tmp_path / "bob"
    password.touch(mode=0o600)
    password.write_text(dovecot.users["bob@astran.test"])
    elsewhere = {**mail["imap"], "user": "bob@astran.test", "password": {"file": str(password)}}
    subject = patient("alice@astran.test", mail={**mail, "imap": elsewhere})

    def at_once(patient: DoctorContext) -> Iterator[Finding]:
        return test_mail.test_mail(patient, patience_s=0)

    finding = found(at_once, subject)["replies"]
    assert finding.result is Result.WARN
    assert "did not come back" in finding.message


@pytest.mark.parametrize(
    ("head", "result", "word"),
    [
        ("", Result.WARN, "Gmail"),
        ("Authentication-Results: mx.astran.test; spf=pass smtp.mailfrom=astran.test", Result.WARN,
         "only SPF"),
        ("Authentication-Results: mx.astran.test; dmarc=fail header.from=astran.test", Result.FAIL,
         "dmarc=fail"),
        ("DKIM-Signature: v=1; a=rsa-sha256; d=astran.test; s=s1; h=from; bh=x; b=y", Result.OK,
         "signed with DKIM by astran.test"),
        ("DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.example; s=s1; h=from; b=y", Result.WARN,
         "no DKIM signature of astran.test"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("authserv_id", ["mx.astran.test", ""])
def test_what_a_copy_shows(head: str, result: Result, word: str, authserv_id: str) -> None:
    raw = f"{head}\r\nFrom: {SERVICE}\r\nSubject: x\r\n\r\nx\r\n".lstrip().encode()
    settings = build_settings(
        MailSettings, {**BARE, "address": SERVICE, "authserv_id": authserv_id}, "mail"
    )
    finding = test_mail.authenticated(read_message(raw), settings)
    assert finding.result is result
    assert word in finding.message


def test_a_test_mail_without_mailbox(patient: Make) -> None:
    finding = found(test_mail.test_mail, patient("alice@astran.test"))["test mail"]
    assert finding.result is Result.FAIL
