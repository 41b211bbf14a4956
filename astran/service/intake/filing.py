"""Filing a mail: its folder, and what is written down of it."""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from astran.database import chores, events, messages, outbox
from astran.database.messages import Incoming
from astran.mail.gate import MailVerdict
from astran.mail.parsing.mail_facts import MailFacts
from astran.service.context import Context
from astran.service.intake.decision import Decision, MailOutcome
from astran.service.operator import rejected_mail

_log = logging.getLogger(__name__)


def folder_of(context: Context, decision: Decision) -> str:
    """Where a mail goes."""
    settings = context.mail
    by_verdict = {MailVerdict.OWN: settings.sent, MailVerdict.MACHINE: settings.rejected}
    by_outcome = {
        MailOutcome.QUARANTINE: settings.quarantine,
        MailOutcome.REFUSE: settings.rejected,
        MailOutcome.ERROR_REPLY: settings.rejected,
    }
    found = by_verdict.get(decision.judgement.verdict) or by_outcome.get(decision.outcome)
    return found or settings.processed


def note_mail(context: Context, db: Connection, decision: Decision, mail: Incoming) -> None:
    """Write down what a mail is, for the log, the digest and the outbox."""
    verdict = decision.judgement.verdict
    if verdict is MailVerdict.OWN:
        # the copy of an own mail proves that it went out
        outbox.mark_proven(db, mail.message_id, mail.received)
        return
    text = f"{verdict}: {mail.sender or 'no sender'}: {mail.subject} ({mail.reason})"
    events.note_event(db, mail.received, "mail-in", text)
    if verdict is MailVerdict.TAKE:
        messages.clear_bounced(db, mail.sender)
    elif verdict in rejected_mail.TOLD:
        chores.plan_chore(db, rejected_mail.NAME, rejected_mail.next_time(mail.received))
    _log.info("mail %s", text)


def age_s(context: Context, facts: MailFacts) -> float | None:
    """Time since a mail was sent, by its own word; None where it says nothing likely."""
    if facts.date is None:
        return None
    age = (context.clock.now() - facts.date).total_seconds()
    return age if 0 <= age < 86400 else None
