"""The line to an IMAP server: how it is opened, and what its errors mean."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from imap_tools import BaseMailBox, ImapToolsError, MailBox, MailBoxStartTls, MailBoxUnencrypted

from astran.base.errors import MailUnavailable
from astran.config.site import Security, Server


def connect(server: Server) -> BaseMailBox:
    """A connection without log-in."""
    if server.security is Security.NONE:
        return MailBoxUnencrypted(server.host, server.port, timeout=server.timeout)
    trust = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    kind = MailBox if server.security is Security.TLS else MailBoxStartTls
    return kind(server.host, server.port, timeout=server.timeout, ssl_context=trust)


@contextmanager
def translated(server: Server) -> Iterator[None]:
    """Errors of the network and of the protocol in ASTRAN's words."""
    place = f"{server.host}:{server.port}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailUnavailable(
            f"The certificate of the mail server {place} is not trusted: {error.verify_message}.",
            "If it is the institute's own, name its certificate file in mail.imap.ca_file.",
        ) from error
    except TimeoutError as error:
        raise MailUnavailable(
            f"The mail server {place} did not answer within {server.timeout:g} s."
        ) from error
    except OSError as error:
        raise MailUnavailable(f"The mail server {place} is out of reach: {error}.") from error
    except (imaplib.IMAP4.error, ImapToolsError, ValueError) as error:
        raise MailUnavailable(f"The mail server {place} answered badly: {error}") from error
