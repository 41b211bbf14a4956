"""What every postman does: the fake, and SMTP with log-in over STARTTLS and TLS."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fakes.postman import FakePostman
from mail_samples import mail, server_at
from services.dovecot import Dovecot
from services.smtp import SmtpServer

from astran.base.errors import MailAuthError, MailDeferred, MailError, MailRejected, MailUnavailable
from astran.config.site import Security
from astran.mail.ports import Postman
from astran.mail.smtp import SmtpPostman

ME, PASSWORD = "astran@astran.test", "service-password"
ALICE, BOB, NOBODY = "alice@astran.test", "bob@astran.test", "nobody@astran.test"


def at(
    smtp_server: SmtpServer, dovecot: Dovecot, security: Security, **changes: object
) -> SmtpPostman:
    port = smtp_server.tls_port if security is Security.TLS else smtp_server.port
    password = str(changes.pop("password", PASSWORD))
    server = server_at(port, ME, password, dovecot.ca_file, security)
    return SmtpPostman(server.model_copy(update=changes))


@pytest.fixture(params=["fake", "starttls", "tls"])
def postman(request: pytest.FixtureRequest) -> Postman:
    if request.param == "fake":
        return FakePostman([NOBODY])
    dovecot = request.getfixturevalue("dovecot")
    smtp_server = request.getfixturevalue("smtp_server")
    return at(smtp_server, dovecot, Security(request.param))


def taken(postman: Postman, request: pytest.FixtureRequest) -> list[tuple[Sequence[str], bytes]]:
    if isinstance(postman, FakePostman):
        return [(recipients, raw) for _, recipients, raw in postman.sent]
    server: SmtpServer = request.getfixturevalue("smtp_server")
    return [(each.recipients, each.data) for each in server.taken]


def test_a_mail_arrives_whole(postman: Postman, request: pytest.FixtureRequest) -> None:
    raw = mail(body="Zeile\r\n.\r\n..zwei\r\n" + "Grüße\r\n" * 100)
    assert postman.send(raw, ME, [ALICE, BOB]) == ()
    [(recipients, data)] = taken(postman, request)
    assert tuple(recipients) == (ALICE, BOB)
    assert data.endswith(raw.partition(b"\r\n\r\n")[2])


def test_one_refused_recipient_does_not_stop_the_others(
    postman: Postman, request: pytest.FixtureRequest
) -> None:
    assert postman.send(mail(), ME, [ALICE, NOBODY]) == (NOBODY,)
    [(recipients, _)] = taken(postman, request)
    assert tuple(recipients) == (ALICE,)


def test_all_recipients_refused_is_final(postman: Postman, request: pytest.FixtureRequest) -> None:
    with pytest.raises(MailRejected, match=NOBODY):
        postman.send(mail(), ME, [NOBODY])
    assert taken(postman, request) == []


@pytest.mark.parametrize(
    ("verb", "reply", "error"),
    [
        ("DATA", "451 4.3.0 try later", MailDeferred),
        ("DATA", "552 5.3.4 too big", MailRejected),
        ("DATA", "554 5.7.1 spam", MailRejected),
        ("MAIL", "421 4.3.2 shutting down", MailUnavailable),
        ("MAIL", "553 5.7.1 not your address", MailRejected),
        ("RCPT", "450 4.2.1 greylisted", MailDeferred),
        ("RCPT", "550 5.1.1 no such user", MailRejected),
        ("AUTH", "535 5.7.8 wrong password", MailAuthError),
        ("AUTH", "454 4.7.0 temporary failure", MailUnavailable),
    ],
)
def test_refusals_are_told_apart(
    smtp_server: SmtpServer, dovecot: Dovecot, verb: str, reply: str, error: type[MailError]
) -> None:
    smtp_server.answer(verb, reply)
    postman = at(smtp_server, dovecot, Security.STARTTLS)
    with pytest.raises(error) as caught:
        postman.send(mail(), ME, [ALICE])
    assert type(caught.value) is error
    assert smtp_server.taken == []


def test_a_lost_answer_is_no_refusal(smtp_server: SmtpServer, dovecot: Dovecot) -> None:
    smtp_server.lose_answer()
    with pytest.raises(MailUnavailable):
        at(smtp_server, dovecot, Security.STARTTLS).send(mail(), ME, [ALICE])
    assert len(smtp_server.taken) == 1


def test_a_wrong_password(smtp_server: SmtpServer, dovecot: Dovecot) -> None:
    with pytest.raises(MailAuthError):
        at(smtp_server, dovecot, Security.TLS, password="nonsense").check()


def test_a_server_that_is_down_or_not_trusted(smtp_server: SmtpServer, dovecot: Dovecot) -> None:
    with pytest.raises(MailUnavailable):
        at(smtp_server, dovecot, Security.TLS, port=9).send(mail(), ME, [ALICE])
    with pytest.raises(MailUnavailable, match="certificate"):
        at(smtp_server, dovecot, Security.STARTTLS, ca_file=None).send(mail(), ME, [ALICE])


def test_line_ends_become_those_of_smtp(smtp_server: SmtpServer, dovecot: Dovecot) -> None:
    raw = mail().replace(b"\r\n", b"\n")
    at(smtp_server, dovecot, Security.STARTTLS).send(raw, ME, [ALICE])
    [taken_mail] = smtp_server.taken
    assert taken_mail.data.count(b"\n") == taken_mail.data.count(b"\r\n")
