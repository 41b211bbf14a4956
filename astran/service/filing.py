"""Filing a mail: its folder, and what is written down of it."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from astran.service.context import Context
from astran.store import chores, events, mailbox, outbox
from astran.store.mailbox import Incoming

if TYPE_CHECKING:
    from astran.mail.headers import Message
    from astran.service.decide import Decision


def folder_of(context: Context, decision: Decision) -> str:
    """Where a mail goes."""
    from astran.mail.gate import Verdict
    from astran.service.decide import Outcome

    settings = context.mail
    by_verdict = {Verdict.OWN: settings.sent, Verdict.MACHINE: settings.rejected}
    by_outcome = {
        Outcome.QUARANTINE: settings.quarantine,
        Outcome.REFUSE: settings.rejected,
        Outcome.ERROR_REPLY: settings.rejected,
    }
    found = by_verdict.get(decision.judgement.verdict) or by_outcome.get(decision.outcome)
    return found or settings.processed


def note(context: Context, db: Connection, decision: Decision, mail: Incoming) -> None:
    """Write down what a mail is, for the log, the digest and the outbox."""
    from astran.mail.gate import Verdict
    from astran.service import digest

    verdict = decision.judgement.verdict
    if verdict is Verdict.OWN:
        # the copy of an own mail proves that it went out
        outbox.prove(db, mail.message_id, mail.received)
        return
    text = f"{verdict}: {mail.sender or 'no sender'}: {mail.subject} ({mail.reason})"
    events.note(db, mail.received, "mail-in", text)
    if verdict is Verdict.TAKE:
        mailbox.clear_bounced(db, mail.sender)
    elif verdict in digest.TOLD:
        chores.plan(db, digest.NAME, digest.next_time(mail.received))
    context.say(f"mail {text}")


def age_s(context: Context, headers: Message) -> float | None:
    """Time since a mail was sent, by its own word; None where it says nothing likely."""
    from astran.mail.headers import value

    try:
        sent = parsedate_to_datetime(value(headers, "date"))
    except (ValueError, TypeError, IndexError):
        return None
    if sent.tzinfo is None:
        return None
    age = (context.clock.now() - sent).total_seconds()
    return age if 0 <= age < 86400 else None
