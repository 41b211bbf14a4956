"""Mails of ours that came back: the address is marked, the operator is told, nobody is answered.

Only a report that names a mail which really went out, to the recipient whom the report names, is
believed, and only from a server that can know: one of the own ones, or one of the recipient's.
Anybody can write something that looks like a bounce.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from astran.base.errors import AstranError
from astran.base.text import one_line
from astran.database import events, messages, outbox
from astran.mail.identity import organization
from astran.mail.parsing.headers import read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.senders.authentication_results import is_vouched
from astran.mail.senders.delivery_path import is_from_outside, own_hosts
from astran.mail.senders.verification import signed_by
from astran.service.context import Context
from astran.service.outgoing.enqueue import tell_operator

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^<>\s]{1,900}>)", re.I | re.M)
_RECIPIENT = re.compile(
    rb"^(?:Final-Recipient|Original-Recipient|X-Failed-Recipients)\s*+:\s*+(?:[\w-]+\s*+;\s*+)?"
    rb"<?([^\s<>;]{3,320}@[^\s<>;]{1,250})",
    re.I | re.M,
)
_ACTION = re.compile(rb"^Action:\s*([a-z]+)", re.I | re.M)
_STATUS = re.compile(rb"^Status:\s*([245]\.\d{1,3}\.\d{1,3})", re.I | re.M)
_DIAGNOSTIC = re.compile(rb"^Diagnostic-Code:\s*(.{1,400})", re.I | re.M)
_PASSES = frozenset({b"delayed", b"delivered", b"relayed", b"expanded"})


def note_bounce(context: Context, db: Connection, raw: bytes) -> None:
    """Match a bounce with the mail that it is about, and act on it."""
    now = context.clock.now()
    ids = [found.decode("ascii", "replace") for found in _MESSAGE_ID.findall(raw)]
    mail = outbox.find_sent(db, ids[-5:]) if ids else None
    if mail is None:
        events.note_event(db, now, "bounce", "a bounce that names no mail of ours")
        return
    named = {found.decode("ascii", "replace").lower() for found in _RECIPIENT.findall(raw)}
    if not _may_know(context, raw, mail.recipient):
        text = f"{mail.subject}: nobody vouches for the server that says so"
        events.note_event(db, now, "bounce", text, mail.analysis_id)
        return
    if named and mail.recipient.lower() not in named:
        # the blind copy to the own mailbox, or a forged report
        events.note_event(
            db, now, "bounce", f"{mail.subject}: not about its recipient", mail.analysis_id
        )
        return
    action = _first(_ACTION, raw).lower()
    status = _first(_STATUS, raw)
    why = one_line(_first(_DIAGNOSTIC, raw).decode("ascii", "replace"), 300) or "no reason given"
    if action in _PASSES or status.startswith((b"2", b"4")):
        events.note_event(db, now, "bounce", f"delayed: {mail.subject}: {why}", mail.analysis_id)
        return
    messages.set_bounced(db, mail.recipient.lower(), now)
    text = f"A mail to {mail.recipient} came back.\n\n{mail.subject}\n\n{why}"
    events.note_event(db, now, "bounce", text, mail.analysis_id)
    if mail.recipient.lower() != context.mail.operator.lower():
        text += "\n\nNo further mail goes to this address until its owner writes to ASTRAN again."
        title = f"mails to {mail.recipient} come back"
        tell_operator(context, db, key=f"bounce.{mail.id}", title=title, text=text)


def _may_know(context: Context, raw: bytes, recipient: str) -> bool:
    """Whether a report comes from an own server, or from one of the recipient's domain."""
    settings = context.mail
    if settings.trust_from:
        return True
    message = read_message(raw)
    facts = MailFacts(message)
    hosts = own_hosts(settings)
    domain = facts.sender.rpartition("@")[2]
    of_recipient = organization(domain) == organization(recipient.rpartition("@")[2])
    can_know = hosts.holds(domain) or of_recipient
    if not is_from_outside(facts, hosts):
        return can_know or not domain
    if not (domain and can_know):
        return False
    if settings.authserv_id:
        return is_vouched(facts, facts.sender, settings)[0]
    try:
        return settings.verify_dkim and signed_by(raw, message, facts.sender)[0]
    except AstranError:
        return False


def _first(pattern: re.Pattern[bytes], raw: bytes) -> bytes:
    match = pattern.search(raw)
    return match[1] if match else b""
