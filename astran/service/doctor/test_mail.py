"""`astran doctor --send-test`: does a mail of ASTRAN reach its reader, and will it be believed?

Large receivers such as Gmail refuse mails that neither SPF (RFC 7208) nor DKIM (RFC 6376) vouches
for. What the reader's server will say cannot be asked for; but a blind copy of the test mail comes
back to the own mailbox, and shows what leaves this site: whether it is signed, for which domain,
and what the own mail server found when it checked it.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from astran.base.errors import ConfigError, MailError
from astran.base.findings import Finding, fail, ok, warn
from astran.config.site import MailSettings
from astran.mail.imap import Inbox
from astran.mail.letters.mime import bare_address
from astran.mail.parsing import headers
from astran.mail.parsing.headers import Message
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.senders.authentication_results import authentication_results, is_vouched
from astran.mail.senders.verification import signers
from astran.mail.smtp import SmtpPostman
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.doctor.mail import with_hint

_PART = "test mail"
_REPLIES = "replies"
PATIENCE_S = 60.0
"""How long the blind copy may take to come back [s]."""
_EVERY_S = 1.0
_SIGN = (
    "Ask your mail provider to sign mails of {domain} with DKIM, and to publish an SPF record that "
    "names the submission server; send through the provider of {domain} itself."
)


def test_mail(patient: DoctorContext, patience_s: float = PATIENCE_S) -> Iterator[Finding]:
    """Send the mail that was asked for, and read what its copy shows."""
    if not patient.send_test:
        return
    mail = patient.site.mail
    if mail is None:
        yield fail(_PART, "There is no mailbox to send it from.", "Fill in `mail`.")
        return
    to = bare_address(patient.send_test)
    message = _message(patient, mail, to)
    recipients = [to] if to.lower() == mail.address.lower() else [to, mail.address]
    try:
        before = _highest(mail)
        refused = SmtpPostman(mail.smtp).send(message.as_bytes(), mail.address, recipients)
    except (MailError, ConfigError) as error:
        yield with_hint(_PART, error, mail.smtp)
        return
    if to in refused:
        yield fail(
            _PART,
            f"The mail server refused {to}.",
            "Check the address; some servers pass on mails only within their own domain.",
        )
        return
    yield ok(_PART, f"The mail server took a mail to {to}; see whether it arrives.")
    yield from _copy(patient, mail, message["Message-ID"], before, patience_s)


def _message(patient: DoctorContext, mail: MailSettings, to: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = mail.address
    message["To"] = to
    message["Subject"] = f"Test mail of ASTRAN at {patient.site.site}"
    message["Date"] = format_datetime(patient.clock.now())
    message["Message-ID"] = make_msgid("doctor", mail.address.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        "`astran doctor --send-test` sent this mail. That you can read it shows that ASTRAN's "
        "answers reach you.\n\nIn the source of this mail (Show original), the header "
        "Authentication-Results tells what your mail server thinks of it: dmarc=pass is good.\n"
    )
    return message


def _highest(mail: MailSettings) -> int | None:
    """The last UID before the mail is sent; None where the mailbox cannot be opened."""
    try:
        with Inbox(mail) as inbox:
            return inbox.highest_uid()
    except (MailError, ConfigError):
        # `imap` has said so already
        return None


def _copy(
    patient: DoctorContext,
    mail: MailSettings,
    message_id: str,
    before: int | None,
    patience_s: float,
) -> Iterator[Finding]:
    """What the blind copy shows, as soon as it is there."""
    if before is None:
        yield warn(
            _REPLIES,
            "Whether mails leave authenticated is unknown: the mailbox cannot be opened.",
            "Correct mail.imap first; see above.",
        )
        return
    waited = 0.0
    while True:
        found = _arrived(mail, message_id, before)
        if found is not None:
            yield ok(_PART, f"Its blind copy came back into {mail.folder} within {waited:g} s.")
            yield authenticated(found, mail)
            return
        if waited >= patience_s:
            break
        patient.clock.sleep(_EVERY_S)
        waited += _EVERY_S
    yield warn(
        _REPLIES,
        f"The blind copy did not come back within {patience_s:g} s: mails to {mail.address} get "
        "lost or late, and ASTRAN cannot prove after a crash what it sent.",
        "Look for the mail in the spam folder; or the launcher was quicker: try again. Where mails "
        "to the own address never arrive, set mail.keep_copy: false.",
    )


def _arrived(mail: MailSettings, message_id: str, before: int) -> Message | None:
    with Inbox(mail) as inbox:
        for envelope in inbox.new(before, limit=500):
            if envelope.facts.message_id == message_id:
                return headers.read_message(inbox.fetch(envelope.uid))
    return None


def authenticated(copy: Message, mail: MailSettings) -> Finding:
    """Whether receivers can verify the mails of this site, as far as a copy tells."""
    domain = mail.address.rpartition("@")[2].lower()
    cure = _SIGN.format(domain=domain)
    signed = signers(copy, domain)
    facts = MailFacts(copy)
    results = authentication_results(facts, mail)
    said = ", ".join(results) or "nothing"
    if mail.authserv_id and is_vouched(facts, mail.address, mail)[0]:
        return ok(_REPLIES, f"Replies are authenticated: {mail.authserv_id} says {said}.")
    if any(word.startswith(("dmarc=fail", "dkim=fail")) for word in results):
        return fail(_REPLIES, f"Replies will not be believed: the mail server says {said}.", cure)
    if signed:
        by = ", ".join(signed)
        return ok(
            _REPLIES,
            f"Replies are signed with DKIM by {by}: receivers can verify them (the own mail server "
            f"says {said} of a copy).",
        )
    if "spf=pass" in results:
        return warn(
            _REPLIES,
            f"Replies carry no DKIM signature of {domain}; only SPF vouches for them, and that is "
            "lost when a reader forwards his mails.",
            cure,
        )
    return warn(
        _REPLIES,
        f"Replies carry no DKIM signature of {domain}, and the own mail server says {said} of "
        "them: Gmail and others may refuse them, unless the submission server signs on their way "
        "out or SPF names it.",
        f"{cure} The header Authentication-Results of the mail at its receiver tells for sure.",
    )
