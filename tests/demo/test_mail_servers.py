"""The embedded mail servers: real SMTP and IMAP, gone when the demo is."""

import imaplib
import importlib.util
import os
import signal
import smtplib
import socket
import subprocess
import sys
import textwrap
import time
from email import message_from_bytes
from email.message import EmailMessage

import pytest
from conftest import require

from astran.base.errors import MailUnavailable
from astran.demo.servers import MailServers, delivery_order


@pytest.fixture
def servers(tmp_path):
    for package in ("aiosmtpd", "pymap"):
        require(importlib.util.find_spec(package), package, "Install astran[demo].")
    with MailServers(tmp_path / "mail", ("astran", "shifter")) as running:
        yield running


def a_mail(subject="ASTRAN-LAUNCH", to="astran@demo.example"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shifter@demo.example", to, subject
    message.set_content("target: Crab\nnote: für später\n")
    return message


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_mail_arrives_whole_and_in_order(servers):
    for number in range(3):
        servers.send("shifter", a_mail(f"mail {number}"))
    got = servers.inbox("astran")
    assert [message_from_bytes(mail.raw)["Subject"] for mail in got] == [
        "mail 0",
        "mail 1",
        "mail 2",
    ]
    body = message_from_bytes(got[0].raw).get_payload(decode=True).decode()
    assert "für später" in body
    assert servers.inbox("shifter") == []


def test_imap_reads_searches_and_moves(servers):
    servers.send("shifter", a_mail("first"))
    with imaplib.IMAP4(servers.host, servers.imap_port) as imap:
        imap.login("astran", servers.passwords["astran"])
        imap.create('"ASTRAN/Processed"')
        assert imap.select()[1] == [b"1"]
        assert imap.uid("SEARCH", "SUBJECT", "first")[1] == [b"1"]
        assert imap.uid("MOVE", "1", '"ASTRAN/Processed"')[0] == "OK"
        assert imap.select()[1] == [b"0"]
        imap.select('"ASTRAN/Processed"')
        content = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1][0][1]
    assert message_from_bytes(content)["Subject"] == "first"


def test_the_inbox_shows_mails_that_were_read(servers):
    servers.send("shifter", a_mail("first"))
    with imaplib.IMAP4(servers.host, servers.imap_port) as imap:
        imap.login("astran", servers.passwords["astran"])
        imap.select()
        imap.uid("STORE", "1", "+FLAGS", r"(\Seen)")
    assert len(servers.inbox("astran")) == 1


def test_log_in_is_needed(servers):
    with smtplib.SMTP(servers.host, servers.smtp_port, timeout=10) as smtp:
        with pytest.raises(smtplib.SMTPSenderRefused):
            smtp.send_message(a_mail())
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login("shifter", "wrong")
    with imaplib.IMAP4(servers.host, servers.imap_port) as imap, pytest.raises(imaplib.IMAP4.error):
        imap.login("astran", "wrong")


def test_an_unknown_recipient_is_refused(servers):
    with pytest.raises(MailUnavailable, match="no such user"):
        servers.send("shifter", a_mail(to="nobody@demo.example"))


def test_several_recipients_each_get_one(servers):
    servers.send("shifter", a_mail(to="astran@demo.example, shifter@demo.example"))
    assert len(servers.inbox("astran")) == len(servers.inbox("shifter")) == 1


def test_passwords_are_not_readable_by_others(servers):
    secret = servers.folder / "pymap-etc-shadow"
    assert secret.stat().st_mode & 0o077 == 0
    assert servers.passwords["astran"] not in secret.read_text()


def test_nothing_runs_after_the_end(servers):
    ports = (servers.smtp_port, servers.imap_port)
    assert all(map(answers, ports))
    servers.stop()
    assert servers.pid is None
    assert not any(map(answers, ports))
    servers.stop()


def test_the_servers_end_with_a_killed_parent(servers, tmp_path):
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from astran.demo.servers import MailServers, delivery_order
        with MailServers(Path(sys.argv[1]), ("astran",)) as servers:
            print(servers.smtp_port, servers.imap_port, flush=True)
            time.sleep(60)
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "other")], stdout=subprocess.PIPE, text=True
    )
    with parent:
        ports = [int(word) for word in parent.stdout.readline().split()]
        assert all(map(answers, ports))
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while any(map(answers, ports)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(answers, ports))


def test_delivery_times_come_from_file_names():
    assert delivery_order("1795222016.M228P19194Q3.host:2,S") == (1795222016, 228, 3)
    assert delivery_order("something else") == (0, 0, 0)
