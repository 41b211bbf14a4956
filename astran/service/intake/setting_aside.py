"""A mail that ASTRAN cannot deal with: filed away unread, with word to whom it concerns."""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from astran.base.text import one_line
from astran.database import events, messages
from astran.database.messages import Incoming
from astran.mail.gate import classify_mail
from astran.mail.ports import FetchedHeader
from astran.service.context import Context
from astran.service.intake.decision import answer_to
from astran.service.outgoing import enqueue
from astran.service.outgoing.enqueue import tell_operator

_log = logging.getLogger(__name__)

VERDICT = "fault"


def set_aside(
    context: Context,
    place: tuple[str, int, int],
    envelope: FetchedHeader | None,
    short: str,
    details: str,
) -> int | None:
    """Store a mail as one that is not dealt with, tell the operator and, where it is authentic and
    from somebody who may ask, its sender.

    Nothing is taken from the mail without precaution: anything in it may have been the cause.

    Parameters
    ----------
    place : mailbox, UIDVALIDITY and UID
    short : what went wrong, on a line
    details : the traceback

    Returns
    -------
    The row of the mail, which is still to be moved; None where it was stored already.
    """
    name, uidvalidity, uid = place
    now = context.clock.now()
    title, sender = _known(envelope)
    with context.db.begin() as db:
        messages.settle(db, name, uidvalidity, uid)
        row = messages.add_message(
            db,
            Incoming(
                mailbox=name,
                uidvalidity=uidvalidity,
                uid=uid,
                message_id=f"<{uidvalidity}.{uid}@{name}>",
                sender="",
                subject=title,
                verdict=VERDICT,
                reason=short,
                received=now,
                raw=None,
                folder=context.mail.quarantine,
            ),
        )
        if row is None:
            return None
        text = (
            f"ASTRAN could not deal with a mail in {name} (UID {uid}) and moved it to "
            f"{context.mail.quarantine}. The mails behind it were read.\n\n"
            f"Subject: {title or 'unknown'}\nFrom: {sender or 'unknown'}\n\n{details}"
        )
        events.note_event(db, now, "mail-set-aside", text)
        _tell_operator(context, db, f"aside.{uidvalidity}.{uid}", text)
    if envelope is not None:
        _tell_sender(context, envelope, short)
    return row


def _known(envelope: FetchedHeader | None) -> tuple[str, str]:
    """Subject and From line, as far as they can be read."""
    if envelope is None:
        return "", ""
    try:
        sender = str(envelope.headers.get("From", ""))
        return one_line(envelope.facts.subject, 200), one_line(sender, 200)
    except Exception:  # noqa: BLE001 - the mail is about to be set aside, with or without its name
        return "", ""


def _tell_operator(context: Context, db: Connection, key: str, text: str) -> None:
    title = "a mail could not be dealt with and was set aside"
    tell_operator(context, db, key=key, title=title, text=text)


def _tell_sender(context: Context, envelope: FetchedHeader, short: str) -> None:
    try:
        judgement = classify_mail(envelope.facts, context.mail)
        if not judgement.verdict.may_answer:
            return
        thread = answer_to(envelope.facts)
        with context.db.begin() as db:
            enqueue.enqueue_letter(context, db, "fault", context.letters.fault(thread, "", short))
    except Exception as error:  # noqa: BLE001 - what spoils the mail may spoil its answer as well
        _log.error("the sender of a mail that was set aside could not be told: %r", error)
