"""The private services answer as the real ones do (and are real, but for the submission server)."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from email.message import EmailMessage
from email.utils import make_msgid

import pytest
from services.daemon import wait_until
from services.dovecot import Dovecot
from services.postgres import Postgres
from services.slurm import SlurmCluster
from services.smtp import AUTHSERV_ID, SmtpServer

pytestmark = pytest.mark.services

ALICE = "alice@astran.test"
SERVICE = "astran@astran.test"


def trusting(server: Dovecot) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(server.ca_file))


def letter(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = ALICE
    message["To"] = SERVICE
    message["Subject"] = subject
    message["Message-ID"] = make_msgid(domain="astran.test")
    message.set_content("target: Crab\ndate: 20231207\n")
    return message


def subjects(server: Dovecot, user: str) -> list[str]:
    imap_tools = pytest.importorskip("imap_tools")
    with imap_tools.MailBox("localhost", server.imaps_port, ssl_context=trusting(server)).login(
        user, server.users[user]
    ) as box:
        return [mail.subject for mail in box.fetch(mark_seen=False)]


def submission(server: SmtpServer, mail: Dovecot, user: str = ALICE) -> smtplib.SMTP:
    connection = smtplib.SMTP("localhost", server.port, timeout=20)
    connection.starttls(context=trusting(mail))
    connection.login(user, server.users[user])
    return connection


def test_imaps_login_and_delivery(dovecot: Dovecot) -> None:
    message = letter("over LMTP")
    dovecot.deliver(message, SERVICE)
    assert "over LMTP" in subjects(dovecot, SERVICE)


def test_starttls_login(dovecot: Dovecot) -> None:
    imap_tools = pytest.importorskip("imap_tools")
    box = imap_tools.MailBoxStartTls("localhost", dovecot.imap_port, ssl_context=trusting(dovecot))
    with box.login("bob@astran.test", dovecot.users["bob@astran.test"]) as opened:
        assert opened.folder.exists("INBOX")


def test_a_stranger_s_certificate_is_not_trusted(dovecot: Dovecot) -> None:
    imap_tools = pytest.importorskip("imap_tools")
    wrong = ssl.create_default_context(cafile=str(dovecot.certificates.stranger))
    with pytest.raises(ssl.SSLCertVerificationError):
        imap_tools.MailBox("localhost", dovecot.imaps_port, ssl_context=wrong)


def test_submission_delivers_and_stamps(dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    with submission(smtp_server, dovecot) as connection:
        connection.send_message(letter("over STARTTLS"))
    assert "over STARTTLS" in subjects(dovecot, SERVICE)
    (taken,) = smtp_server.taken
    assert taken.user == ALICE
    assert taken.message["Authentication-Results"].startswith(f"{AUTHSERV_ID}; dmarc=pass")


def test_a_forged_sender_does_not_pass(dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    with submission(smtp_server, dovecot, "bob@astran.test") as connection:
        connection.send_message(letter("as Alice"))
    assert "dmarc=fail" in smtp_server.taken[0].message["Authentication-Results"]


def test_submission_over_tls(dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    with smtplib.SMTP_SSL(
        "localhost", smtp_server.tls_port, context=trusting(dovecot), timeout=20
    ) as connection:
        connection.login(ALICE, smtp_server.users[ALICE])
        connection.send_message(letter("over TLS"))
    assert "over TLS" in subjects(dovecot, SERVICE)


def test_submission_needs_tls_and_log_in(dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    with smtplib.SMTP("localhost", smtp_server.port, timeout=20) as connection:
        with pytest.raises(smtplib.SMTPException):
            connection.send_message(letter("in the clear"))
        connection.starttls(context=trusting(dovecot))
        with pytest.raises(smtplib.SMTPException):
            connection.send_message(letter("as nobody"))
        with pytest.raises(smtplib.SMTPAuthenticationError):
            connection.login(ALICE, "wrong")
    assert smtp_server.taken == []


def test_answers_can_be_scripted(dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    smtp_server.answer("DATA", "451 4.3.0 try later")
    with submission(smtp_server, dovecot) as connection:
        with pytest.raises(smtplib.SMTPDataError) as caught:
            connection.send_message(letter("later"))
        assert caught.value.smtp_code == 451
        connection.send_message(letter("later, again"))
    assert len(smtp_server.taken) == 1


def test_an_answer_can_be_lost_after_delivery(dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    smtp_server.lose_answer()
    connection = submission(smtp_server, dovecot)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        connection.send_message(letter("delivered silently"))
    connection.close()
    assert "delivered silently" in subjects(dovecot, SERVICE)


def test_postgres_answers(postgres: Postgres) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres.dsn(postgres.new_database())) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_slurm_runs_and_accounts(slurm_cluster: SlurmCluster) -> None:
    number = slurm_cluster.run(
        "sbatch", "--parsable", "--output=/dev/null", "--wrap", "exit 3"
    ).strip()

    def accounted() -> str:
        return slurm_cluster.run("sacct", "-nXPj", number, "-o", "State,ExitCode").strip()

    wait_until("sacct tells the end", lambda: accounted() == "FAILED|3:0", timeout=40, every=0.5)


def test_slurm_without_accounting_has_no_sacct(slurm_without_accounting: SlurmCluster) -> None:
    asked = subprocess.run(
        ["sacct", "-n"], env=slurm_without_accounting.env, capture_output=True, text=True
    )
    assert asked.returncode != 0
    assert "accounting storage is disabled" in asked.stderr
