"""Once a day the operator hears of mails that got no answer: forged ones, and strangers."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Connection

from astran.database import chores, messages
from astran.mail.gate import MailVerdict
from astran.report.tables import TableRow
from astran.service.context import Context
from astran.service.outgoing.enqueue import enqueue_letter

NAME = "digest"
TOLD = (MailVerdict.UNAUTHENTICATED, MailVerdict.STRANGER)
_HOUR = 7
_MOST = 200
"""Lines of one digest; more are counted."""


def next_time(now: datetime) -> datetime:
    """When the next digest is due: tomorrow or today at 07:00 UTC."""
    today = datetime.combine(now.astimezone(UTC).date(), time(_HOUR, tzinfo=UTC))
    return today if now < today else today + timedelta(days=1)


def send_due(context: Context) -> None:
    """Write the digest if it is due."""
    now = context.clock.now()
    with context.db.begin() as db:
        for chore in chores.due_chores(db, now, NAME):
            if not chores.strike_chore(db, chore.name):
                continue
            since = chore.due - timedelta(days=1)
            found = messages.unanswered_mails(db, since, now, [verdict.value for verdict in TOLD])
            if found and context.mail.operator:
                _put(context, db, chore.due, found)


def _put(
    context: Context, db: Connection, due: datetime, found: list[messages.UnansweredMail]
) -> None:
    rows = [
        TableRow((f"{one.received:%m-%d %H:%M}", one.verdict, one.sender, one.subject, one.reason))
        for one in found[:_MOST]
    ]
    letter = context.letters.digest(due, rows, len(found))
    enqueue_letter(context, db, "digest", letter)
