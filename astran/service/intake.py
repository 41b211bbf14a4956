"""From new mails to stored requests; each mail in one transaction, moved only afterwards.

A mail that was stored never acts again, whatever happens later: its row is unique by UID and by
Message-ID and sender. A mail that was not stored is read again by the next tick.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from astran.base.errors import MailGone
from astran.mail.inbox import Inbox
from astran.service.context import Context
from astran.store import events, mailbox, outbox
from astran.store.mailbox import Cursor, Incoming

if TYPE_CHECKING:
    from astran.mail.gate import Judgement
    from astran.mail.headers import Message
    from astran.mail.ports import Envelope, Mailbox


def take_in(context: Context) -> int:
    """Read the new mails of the inbox; returns how many requests were taken.

    Raises
    ------
    MailError : the mailbox cannot be read
    """
    settings = context.mail
    name = f"{settings.address}/{settings.folder}"
    with Inbox(settings) as inbox:
        with context.db.begin() as db:
            cursor = mailbox.cursor(db, name)
            pending = mailbox.to_move(db, name, inbox.uidvalidity)
        if cursor is None or cursor.uidvalidity != inbox.uidvalidity:
            # first reading, or the server renumbered: read all, what is known will not act again
            cursor = Cursor(inbox.uidvalidity, 0)
        for row, uid, folder in pending:
            _move(context, inbox, row, uid, folder)
        taken = 0
        for envelope in inbox.new(cursor.last_uid, settings.per_tick):
            taken += _take(context, inbox, name, envelope)
    return taken


def _take(context: Context, inbox: Mailbox, name: str, envelope: Envelope) -> int:
    from astran.mail.gate import judge
    from astran.mail.headers import message_id, subject

    judgement = judge(envelope.headers, context.mail)
    folder, action = _policy(context, judgement, envelope)
    raw = None
    if action is not None:
        try:
            raw = inbox.fetch(envelope.uid)
        except MailGone:
            return 0
    incoming = Incoming(
        mailbox=name,
        uidvalidity=inbox.uidvalidity,
        uid=envelope.uid,
        # without one, the mail is told apart by its place in the mailbox
        message_id=message_id(envelope.headers) or f"<{inbox.uidvalidity}.{envelope.uid}@{name}>",
        sender=judgement.sender,
        subject=subject(envelope.headers)[:998],
        verdict=judgement.verdict,
        reason=judgement.reason,
        received=context.clock.now(),
        raw=raw,
        folder=folder,
    )
    took = 0
    row: int | None = None
    with context.db.begin() as db:
        mailbox.set_cursor(db, name, Cursor(inbox.uidvalidity, envelope.uid))
        if folder:
            row = mailbox.add(db, incoming)
            if row is None:
                text = f"{incoming.message_id} is known already: not acted upon again"
                events.note(db, incoming.received, "mail-again", text)
            elif action is not None and raw is not None:
                took = action(db, row, raw)
            _note(context, db, judgement, incoming)
    if folder:
        _move(context, inbox, row, envelope.uid, folder)
    return took


Action = Callable[[Connection, int, bytes], int]


def _policy(
    context: Context, judgement: Judgement, envelope: Envelope
) -> tuple[str, Action | None]:
    """Where a mail goes ("": it stays), and what follows from it."""
    from astran.mail.gate import Verdict
    from astran.service import requests

    settings = context.mail
    read_s = _age(context, envelope.headers)
    match judgement.verdict:
        case Verdict.NOT_OURS:
            return "", None
        case Verdict.OWN:
            return settings.sent, None
        case Verdict.BOUNCE:
            return settings.processed, None
        case Verdict.MACHINE:
            return settings.rejected, None
        case Verdict.UNAUTHENTICATED:
            return settings.quarantine, None
        case Verdict.STRANGER:

            def refuse(db: Connection, row: int, raw: bytes) -> int:
                requests.refuse(context, db, judgement.sender, envelope.headers)
                return 0

            return settings.rejected, refuse
        case Verdict.TAKE:

            def act(db: Connection, row: int, raw: bytes) -> int:
                return requests.act(context, db, row, judgement.sender, raw, read_s)

            return settings.processed, act


def _note(context: Context, db: Connection, judgement: Judgement, mail: Incoming) -> None:
    from astran.mail.gate import Verdict

    if judgement.verdict is Verdict.OWN:
        # the copy of an own mail proves that it went out
        outbox.prove(db, mail.message_id, mail.received)
        return
    text = f"{judgement.verdict}: {mail.sender or 'no sender'}: {mail.subject} ({mail.reason})"
    events.note(db, mail.received, "mail-in", text)
    context.say(f"mail {text}")


def _move(context: Context, inbox: Mailbox, row: int | None, uid: int, folder: str) -> None:
    inbox.move(uid, folder)
    if row is not None:
        with context.db.begin() as db:
            mailbox.moved(db, row)


def _age(context: Context, headers: Message) -> float | None:
    from astran.mail.headers import value

    try:
        sent = parsedate_to_datetime(value(headers, "date"))
    except (ValueError, TypeError, IndexError):
        return None
    if sent.tzinfo is None:
        return None
    age = (context.clock.now() - sent).total_seconds()
    return age if 0 <= age < 86400 else None
