"""Outgoing mails: a queue that survives everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from astran.database.row_reader import RowReader
from astran.database.schema import tables as t


class MailState(StrEnum):
    """Life of an outgoing mail."""

    PENDING = "pending"
    SENDING = "sending"
    """Being handed to the server; after a crash it is unknown whether the server took it."""
    SENT = "sent"
    RETRY = "retry"
    DEAD = "dead"
    """Refused for good; or given up, see `GIVEN_UP`."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One mail of the queue."""

    id: int
    analysis_id: int | None
    message_id: str
    kind: str
    recipient: str
    subject: str
    raw: bytes
    state: MailState
    tries: int
    next_try: datetime
    created: datetime
    error: str
    """What went wrong at the last try, if anything is known of it."""


_READER = RowReader(Outgoing, t.outgoing_mail)
_OPEN = (MailState.PENDING, MailState.RETRY, MailState.SENDING)
GIVEN_UP = "given up after"
"""Begins the error of a dead mail that nobody refused: it is tried again once mail goes out."""
DEFERRED = "not taken yet: "
"""Begins the error of a mail that the server put off, while it may take others."""
FRESH = timedelta(minutes=15)
"""A mail so new waits for no more than its turn."""
CAPPED = "mails in 24 hours"
"""Ends the error of a mail that waits because its recipient had enough."""


def enqueue(
    db: Connection,
    now: datetime,
    kind: str,
    recipient: str,
    message_id: str,
    subject: str,
    raw: bytes,
    analysis_id: int | None = None,
) -> bool:
    """Queue a mail; False where one with this Message-ID is queued already (it is then the same
    mail, prepared again after a crash)."""
    try:
        with db.begin_nested():
            db.execute(
                insert(t.outgoing_mail).values(
                    analysis_id=analysis_id,
                    message_id=message_id,
                    kind=kind,
                    recipient=recipient,
                    subject=subject,
                    raw=raw,
                    state=MailState.PENDING,
                    next_try=now,
                    created=now,
                )
            )
    except IntegrityError:
        return False
    return True


def oldest_held_up(db: Connection, now: datetime) -> dict[tuple[int, str], int]:
    """The oldest mail that is open but not due, by analysis and recipient: later mails of the same
    conversation come after it."""
    c = t.outgoing_mail.c
    query = (
        select(c.analysis_id, c.recipient, func.min(c.id))
        .where(c.state.in_(_OPEN), c.next_try > now, c.analysis_id.is_not(None))
        .group_by(c.analysis_id, c.recipient)
    )
    return {(analysis, recipient): first for analysis, recipient, first in db.execute(query)}


def due_mails(db: Connection, now: datetime, limit: int = 20) -> list[Outgoing]:
    """Mails to be dealt with now, oldest first."""
    query = (
        _READER.query.where(t.outgoing_mail.c.state.in_(_OPEN), t.outgoing_mail.c.next_try <= now)
        .order_by(t.outgoing_mail.c.id)
        .limit(limit)
    )
    return _READER.all(db, query)


def sent_since(db: Connection, recipient: str, since: datetime) -> int:
    """How many mails went to this address since a time."""
    query = select(func.count()).where(
        t.outgoing_mail.c.recipient == recipient,
        t.outgoing_mail.c.state == MailState.SENT,
        t.outgoing_mail.c.sent >= since,
    )
    return db.execute(query).scalar_one()


def letters_since(db: Connection, kinds: Sequence[str], since: datetime) -> dict[str, int]:
    """How many letters of these kinds were written since a time, by recipient."""
    c = t.outgoing_mail.c
    query = (
        select(c.recipient, func.count())
        .where(c.kind.in_(kinds), c.created >= since)
        .group_by(c.recipient)
    )
    return {row[0]: row[1] for row in db.execute(query)}


def find_sent(db: Connection, message_ids: Sequence[str]) -> Outgoing | None:
    """The mail of ours with one of these Message-IDs that was handed to the server."""
    query = _READER.query.where(
        t.outgoing_mail.c.message_id.in_(message_ids[:50]),
        t.outgoing_mail.c.state.in_((MailState.SENT, MailState.SENDING)),
    ).limit(1)
    return _READER.first(db, query)


def open_count(
    db: Connection, analysis_id: int | None = None, tries_below: int | None = None
) -> int:
    """How many mails (of an analysis; that were tried less often) are still to be sent."""
    query = select(func.count()).where(t.outgoing_mail.c.state.in_(_OPEN))
    if tries_below is not None:
        query = query.where(t.outgoing_mail.c.tries < tries_below)
    if analysis_id is not None:
        query = query.where(t.outgoing_mail.c.analysis_id == analysis_id)
    return db.execute(query).scalar_one()


@dataclass(frozen=True, slots=True)
class MailCounts:
    """Mails that have not gone out."""

    waiting: int
    dead: int
    """Refused, or given up."""
    since: datetime | None
    """When the oldest of those that wait was written."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """Mails of an analysis that have not gone out."""

    waiting: int
    dead: int
    since: datetime
    """When the oldest was written."""
    error: str
    """Of the newest that failed."""
    report: bool
    """Whether its report is among them."""


def unsent(db: Connection, now: datetime) -> dict[int, Unsent]:
    """By analysis: mails that have not gone out, though they were tried or are not quite new."""
    c = t.outgoing_mail.c
    late = (c.tries > 0) | (c.created <= now - FRESH)
    query = select(c.analysis_id, c.state, c.created, c.error, c.kind).order_by(c.id)
    query = query.where(c.state.in_((*_OPEN, MailState.DEAD)), c.analysis_id.is_not(None), late)
    found: dict[int, Unsent] = {}
    for analysis_id, state, created, error, kind in db.execute(query):
        old = found.get(analysis_id, Unsent(0, 0, created, "", False))
        dead = state == MailState.DEAD
        found[analysis_id] = Unsent(
            old.waiting + (not dead),
            old.dead + dead,
            min(old.since, created),
            error or old.error,
            old.report or kind == "report",
        )
    return found


def waiting_since(db: Connection) -> datetime | None:
    """When the oldest mail that is still to be sent was written; None: all went out."""
    query = select(func.min(t.outgoing_mail.c.created)).where(t.outgoing_mail.c.state.in_(_OPEN))
    return db.execute(query).scalar()


def count_mails(db: Connection) -> MailCounts:
    """How many mails wait, and how many were given up."""
    c = t.outgoing_mail.c
    query = select(c.state, func.count()).where(c.state != MailState.SENT).group_by(c.state)
    found = {MailState(state): number for state, number in db.execute(query)}
    dead = found.pop(MailState.DEAD, 0)
    return MailCounts(sum(found.values()), dead, waiting_since(db))


def move_mail(
    db: Connection,
    mail: Outgoing,
    to: MailState,
    *,
    next_try: datetime | None = None,
    tries: int | None = None,
    error: str = "",
    sent: datetime | None = None,
) -> bool:
    """Guarded transition: False where another process moved the mail first."""
    values: dict[str, object] = {"state": to, "error": error[:2000], "sent": sent}
    if next_try is not None:
        values["next_try"] = next_try
    if tries is not None:
        values["tries"] = tries
    done = db.execute(
        update(t.outgoing_mail)
        .where(
            t.outgoing_mail.c.id == mail.id,
            t.outgoing_mail.c.state == mail.state,
            t.outgoing_mail.c.tries == mail.tries,
        )
        .values(**values)
    )
    return done.rowcount == 1


def replace_content(db: Connection, mail: Outgoing, raw: bytes) -> None:
    """Another content of a mail that was not tried yet."""
    c = t.outgoing_mail.c
    query = update(t.outgoing_mail).where(c.id == mail.id, c.state == mail.state, c.tries == 0)
    db.execute(query.values(raw=raw))


def revive(db: Connection, now: datetime) -> int:
    """The server took a mail: try what it did not take for want of a connection. Returns how many.

    What was refused for good stays dead; what the server put off by itself keeps its pause.
    """
    c = t.outgoing_mail.c
    waits = (
        update(t.outgoing_mail)
        .where(c.state == MailState.RETRY, c.next_try > now, c.error != "")
        .where(c.error.not_like(f"{DEFERRED}%"), c.error.not_like(f"%{CAPPED}"))
        .values(next_try=now)
    )
    dead = (
        update(t.outgoing_mail)
        .where(c.state == MailState.DEAD, c.error.like(f"{GIVEN_UP}%"))
        .values(state=MailState.RETRY, next_try=now, tries=0)
    )
    return db.execute(waits).rowcount + db.execute(dead).rowcount


def raw_mails(db: Connection, analysis_id: int) -> list[tuple[str, bytes]]:
    """All mails of an analysis as (kind, raw bytes), oldest first."""
    query = (
        select(t.outgoing_mail.c.kind, t.outgoing_mail.c.raw)
        .where(t.outgoing_mail.c.analysis_id == analysis_id)
        .order_by(t.outgoing_mail.c.id)
    )
    return [(row.kind, row.raw) for row in db.execute(query)]


def mark_proven(db: Connection, message_id: str, now: datetime) -> None:
    """The copy of a mail arrived in the own mailbox: it certainly was sent."""
    db.execute(
        update(t.outgoing_mail)
        .where(
            t.outgoing_mail.c.message_id == message_id,
            t.outgoing_mail.c.state == MailState.SENDING,
        )
        .values(state=MailState.SENT, sent=now)
    )
