"""Examinations of the mail side: who may send, secrets, mailbox, submission."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from astran.base.errors import AstranError, ConfigError, MailAuthError, MailError
from astran.base.findings import Finding, fail, failed_by, ok, warn
from astran.config.site import MailSettings, Security, Server
from astran.mail.gate import is_request
from astran.mail.imap import Inbox
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.ports import Mailbox
from astran.mail.senders.authentication_results import (
    authentication_results,
    likely_authserv_id,
)
from astran.mail.senders.automatic_mail import list_id
from astran.mail.senders.delivery_path import is_from_outside, own_hosts
from astran.mail.smtp import SmtpPostman
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.outgoing import login_backoff

_NO_MAIL = 2**32 - 1
"""A UID that no mail has (the largest of RFC 3501)."""


def probe_mail_settings(patient: DoctorContext) -> Iterator[Finding]:
    """Is there a mailbox, may anybody launch, and is the sender checked?"""
    mail = patient.site.mail
    if mail is None:
        yield warn(
            "mail",
            "There is no mailbox: only hand-runs.",
            "Fill in `mail` in the site configuration if requests are to come by mail.",
        )
        return
    if mail.allow:
        yield ok("allow list", f"May launch: {', '.join(mail.allow)}.")
    else:
        yield warn(
            "allow list",
            "Nobody may launch: mail.allow is empty.",
            "List addresses, or whole domains written @institute.example.",
        )
    yield _authenticity(mail)
    yield _automatic(mail)
    if not mail.operator:
        yield warn(
            "operator",
            "Nobody is told about faults: mail.operator is empty.",
            "Set it to the address of whoever looks after ASTRAN.",
        )


def _authenticity(mail: MailSettings) -> Finding:
    if mail.trust_from:
        return warn(
            "sender check",
            "mail.trust_from is on: whoever can write to the mailbox may pretend to be anybody.",
            "Set mail.authserv_id instead, unless no stranger can reach the mailbox.",
        )
    if mail.authserv_id:
        return ok("sender check", f"Mails with a DMARC pass of {mail.authserv_id} are believed.")
    if mail.verify_dkim:
        if find_spec("dkim") is None or find_spec("dns") is None:
            return fail(
                "sender check",
                "mail.verify_dkim is on, but dkimpy or dnspython is not installed.",
                "Install them with: pip install 'astran[dkim]'",
            )
        return ok("sender check", "Mails with a DKIM signature of the From domain are believed.")
    if mail.secrets:
        known = ", ".join(sorted(mail.secrets))
        return ok("sender check", f"Mails with the secret of their sender are believed: {known}.")
    return warn(
        "sender check",
        "Nothing vouches for a sender (mail.authserv_id, verify_dkim and secrets are empty): every "
        "request is quarantined.",
        "Look at the Authentication-Results header of a mail in the mailbox: its first word is "
        "the name to set as mail.authserv_id. Where there is none, set mail.verify_dkim.",
    )


def _automatic(mail: MailSettings) -> Finding:
    """Which mails count as those of programs, and get no answer."""
    lists = f"those through {', '.join(mail.lists)} do" if mail.lists else "no list is named"
    alls = "is a program's" if mail.suppress_all_is_automatic else "is a person's"
    return ok(
        "automatic mail",
        f"Mails of lists and groups ask for nothing (mail.lists: {lists}); "
        f"`X-Auto-Response-Suppress: All` {alls} (mail.suppress_all_is_automatic).",
    )


_MOST_LOOKED_AT = 20


def probe_provider(mail: MailSettings, inbox: Mailbox, highest: int) -> Iterator[Finding]:
    """Do the newest mails in the mailbox bear what the settings expect of its provider?"""
    found = inbox.envelopes(inbox.uids(max(highest - _MOST_LOOKED_AT, 0), _MOST_LOOKED_AT))
    strangers = [one.facts for one in found if is_from_outside(one.facts, own_hosts(mail))]
    if mail.authserv_id and strangers:
        yield _whose_results(mail, strangers)
    groups = {
        name
        for facts in strangers
        if is_request(facts, mail) and (name := list_id(facts)) and name not in mail.lists
    }
    if groups:
        names = ", ".join(sorted(groups)[:5])
        yield warn(
            "automatic mail",
            f"Requests came through a list or group, and got no answer: {names}.",
            "Name it in mail.lists if the mailbox stands behind it.",
        )


def _whose_results(mail: MailSettings, strangers: Sequence[MailFacts]) -> Finding:
    good = sum(bool(authentication_results(facts, mail)) for facts in strangers)
    if good:
        return ok(
            "sender check",
            f"{good} of the newest {len(strangers)} mails bear the findings of {mail.authserv_id}.",
        )
    ids = sorted({name for facts in strangers if (name := likely_authserv_id(facts))})
    return warn(
        "sender check",
        f"None of the newest {len(strangers)} mails bears the findings of {mail.authserv_id}"
        + (f"; they bear those of {', '.join(ids[:5])}." if ids else "."),
        "If one of these is your provider's, set it as mail.authserv_id; if your mail passes "
        "through further servers of yours, name their domains in mail.own_hosts."
        if ids
        else "Ask your provider for the name, or set mail.verify_dkim.",
    )


def probe_secrets(patient: DoctorContext) -> Iterator[Finding]:
    """Can each password be fetched?"""
    for name, server in _servers(patient):
        key = f"mail.{name}.password"
        if server.password is None:
            if name == "imap" or server.user:
                yield fail("secrets", f"{key} is not set.", "Say where it is: env, file, command.")
            continue
        try:
            server.password.reveal()
        except AstranError as error:
            yield _named(failed_by("secrets", error, "Run the command by hand."), key)
        else:
            yield ok("secrets", f"{key} was found.")


def probe_imap(patient: DoctorContext) -> Iterator[Finding]:
    """Log in, look at the folder, make sure that mails can be moved."""
    mail = patient.site.mail
    if mail is None:
        return
    server = mail.imap
    try:
        with Inbox(mail) as inbox:
            yield ok("imap", f"{_place(server)}: logged in, {mail.folder} opens.")
            yield from _lifted(patient, login_backoff.IMAP)
            highest = inbox.highest_uid()
            inbox.new(highest, limit=1)
            for folder in (mail.processed, mail.rejected, mail.quarantine):
                # moves nothing, but makes the folder and asks the server for the right to do so
                inbox.move(_NO_MAIL, folder)
            yield ok("imap", "Mails can be moved into the folders of ASTRAN.")
            yield from probe_provider(mail, inbox, highest)
    except (MailError, ConfigError) as error:
        yield with_hint("imap", error, server)


def probe_smtp(patient: DoctorContext) -> Iterator[Finding]:
    """Connect and log in; send nothing."""
    mail = patient.site.mail
    if mail is None:
        return
    server = mail.smtp
    try:
        SmtpPostman(server).check()
    except (MailError, ConfigError) as error:
        yield with_hint("smtp", error, server)
        return
    if server.user:
        yield ok("smtp", f"{_place(server)}: logged in.")
        yield from _lifted(patient, login_backoff.SMTP)
    else:
        yield warn(
            "smtp",
            f"{_place(server)} answers; there was no log-in.",
            "Most providers ask for one before they take mails: set mail.smtp.user.",
        )


def _lifted(patient: DoctorContext, name: str) -> Iterator[Finding]:
    """A launcher that waits after refused log-ins need not wait any longer."""
    if login_backoff.lift_hold(patient.site.database_url, name):
        yield ok(name, "The launcher was waiting after refused log-ins; it goes on now.")


def _servers(patient: DoctorContext) -> Iterator[tuple[str, Server]]:
    if patient.site.mail is not None:
        yield "imap", patient.site.mail.imap
        yield "smtp", patient.site.mail.smtp


def _named(finding: Finding, key: str) -> Finding:
    return Finding(finding.part, finding.result, f"{key}: {finding.message}", finding.cure)


def _place(server: Server) -> str:
    return f"{server.host}:{server.port} ({server.security})"


def with_hint(part: str, error: AstranError, server: Server) -> Finding:
    """The error, with a cure in any case."""
    finding = failed_by(part, error)
    if finding.cure:
        return finding
    if isinstance(error, MailAuthError):
        cure = "Check log-in name and password."
    elif server.security is Security.TLS and server.port in (143, 587):
        cure = f"Port {server.port} usually speaks starttls: set `security: starttls`."
    elif server.security is Security.STARTTLS and server.port in (993, 465):
        cure = f"Port {server.port} usually speaks tls: set `security: tls`."
    else:
        cure = "Check host, port and security of the server, and the network of this machine."
    return fail(part, finding.message, cure)
