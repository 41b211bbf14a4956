"""Handing mails to the submission server."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from astran.base.errors import (
    ConfigError,
    MailAuthError,
    MailDeferred,
    MailError,
    MailRejected,
    MailUnavailable,
)
from astran.config.site import Auth, Security, Server

_LINE_END = re.compile(rb"\r\n|\r|\n")
_AUTH_CODES = frozenset({530, 534, 535, 538})


class SmtpPostman:
    """Sends each mail over its own connection.

    A connection that breaks after the mail's last line leaves open whether the mail was taken.
    That, too, is MailUnavailable: look for the Message-ID before sending again.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        server = self._server
        secret = _secret(server)
        data = _LINE_END.sub(b"\r\n", raw)
        with _translated(server), _session(server) as smtp:
            _log_in(smtp, server, secret)
            options = ["BODY=8BITMIME"] if smtp.has_extn("8bitmime") and not data.isascii() else []
            if not "".join([sender, *recipients]).isascii():
                options.append("SMTPUTF8")
            refused = smtp.sendmail(sender, list(recipients), data, mail_options=options)
        return tuple(refused)

    def check(self) -> None:
        """Connect and log in, send nothing. Raises as `send` does."""
        server = self._server
        secret = _secret(server)
        with _translated(server), _session(server) as smtp:
            _log_in(smtp, server, secret)
            smtp.noop()


def _secret(server: Server) -> str:
    """Password or token; empty where there is no log-in."""
    if not server.user:
        return ""
    if server.password is None:
        raise ConfigError(
            "There is no password for the submission server.",
            cure="Set mail.smtp.password in the site config.",
        )
    return server.password.reveal()


def _log_in(smtp: smtplib.SMTP, server: Server, secret: str) -> None:
    if not server.user:
        return
    if server.auth is Auth.PASSWORD:
        _by_password(smtp, server.user, secret)
        return
    words = f"user={server.user}\1auth=Bearer {secret}\1\1"
    # a refusal comes as a challenge that is to be answered with nothing; then follows the code
    smtp.auth("XOAUTH2", lambda challenge=None: words if challenge is None else "")


def _by_password(smtp: smtplib.SMTP, user: str, secret: str) -> None:
    """One try by one mechanism: `SMTP.login` would go through all of them, and some servers lock
    an account after a few refusals."""
    offered = smtp.esmtp_features.get("auth", "").upper().split()
    smtp.user, smtp.password = user, secret
    if "PLAIN" in offered:
        code, said = smtp.auth("PLAIN", smtp.auth_plain)
    elif "LOGIN" in offered:
        code, said = smtp.auth("LOGIN", smtp.auth_login)
    elif "CRAM-MD5" in offered:
        code, said = smtp.auth("CRAM-MD5", smtp.auth_cram_md5)
    else:
        raise smtplib.SMTPNotSupportedError("no log-in by PLAIN, LOGIN or CRAM-MD5")
    if code not in (235, 503):
        raise smtplib.SMTPAuthenticationError(code, said)


@contextmanager
def _session(server: Server) -> Iterator[smtplib.SMTP]:
    trust = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    smtp: smtplib.SMTP
    if server.security is Security.TLS:
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=trust)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
    try:
        smtp.ehlo_or_helo_if_needed()
        if server.security is Security.STARTTLS:
            smtp.starttls(context=trust)
            smtp.ehlo()
        yield smtp
    finally:
        # a farewell that fails changes nothing: the mail was taken, or an error is on its way
        with suppress(OSError, smtplib.SMTPException):
            smtp.quit()
        smtp.close()


@contextmanager
def _translated(server: Server) -> Iterator[None]:
    place = f"{server.host}:{server.port}"
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        answers = error.recipients
        said = "; ".join(f"{who}: {answers[who][0]} {_text(answers[who][1])}" for who in answers)
        # one that may pass later is enough to try again later
        final = all(code >= 500 for code, _ in answers.values())
        kind = MailRejected if final else MailDeferred
        raise kind(f"The submission server {place} refused every recipient: {said}") from error
    except smtplib.SMTPResponseException as error:
        raise _by_code(place, error) from error
    except smtplib.SMTPNotSupportedError as error:
        raise MailUnavailable(
            f"The submission server {place} does not offer what is needed: {error}",
            "Check mail.smtp.port and mail.smtp.security.",
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise MailUnavailable(
            f"The certificate of the submission server {place} is not trusted: "
            f"{error.verify_message}.",
            "If it is the institute's own, name its certificate file in mail.smtp.ca_file.",
        ) from error
    except TimeoutError as error:
        raise MailUnavailable(
            f"The submission server {place} did not answer within {server.timeout:g} s."
        ) from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise MailUnavailable(f"The submission server {place} is out of reach: {error}") from error


def _by_code(place: str, error: smtplib.SMTPResponseException) -> MailError:
    said = f"{error.smtp_code} {_text(error.smtp_error)}"
    if error.smtp_code in _AUTH_CODES or (
        isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500
    ):
        return MailAuthError(
            f"The submission server {place} refused the log-in: {said}",
            "Check mail.smtp.user and the password that mail.smtp.password points to.",
        )
    if error.smtp_code >= 500:
        return MailRejected(f"The submission server {place} refused the mail: {said}")
    of_mail = isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError)
    # 421: the server is about to close the line, whatever the mail
    kind = MailDeferred if of_mail and error.smtp_code != 421 else MailUnavailable
    return kind(f"The submission server {place} cannot take the mail now: {said}")


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
