"""Incoming mails: how far the mailbox was read, what was taken, what is still to be moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from astran.store import tables as t


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a mailbox was read."""

    uidvalidity: int
    last_uid: int


def cursor(db: Connection, mailbox: str) -> Cursor | None:
    """The cursor of a mailbox, None before its first reading."""
    query = select(t.mailbox_cursor.c.uidvalidity, t.mailbox_cursor.c.last_uid).where(
        t.mailbox_cursor.c.mailbox == mailbox
    )
    row = db.execute(query).first()
    return None if row is None else Cursor(*row)


def set_cursor(db: Connection, mailbox: str, new: Cursor) -> None:
    """Store how far a mailbox was read."""
    values = {"uidvalidity": new.uidvalidity, "last_uid": new.last_uid}
    done = db.execute(
        update(t.mailbox_cursor).where(t.mailbox_cursor.c.mailbox == mailbox).values(**values)
    )
    if done.rowcount == 0:
        db.execute(insert(t.mailbox_cursor).values(mailbox=mailbox, **values))


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mail as it is stored before anything follows from it."""

    mailbox: str
    uidvalidity: int
    uid: int
    message_id: str
    sender: str
    subject: str
    verdict: str
    reason: str
    received: datetime
    raw: bytes | None
    folder: str


def add(db: Connection, mail: Incoming) -> int | None:
    """Store a mail and return its row id; None for one that is known already (same UID, or same
    Message-ID from the same sender): that one must not act again."""
    try:
        with db.begin_nested():
            key = db.execute(
                insert(t.message).values(
                    mailbox=mail.mailbox,
                    uidvalidity=mail.uidvalidity,
                    uid=mail.uid,
                    message_id=mail.message_id,
                    sender=mail.sender,
                    subject=mail.subject,
                    verdict=mail.verdict,
                    reason=mail.reason,
                    received=mail.received,
                    raw=mail.raw,
                    folder=mail.folder,
                    moved=not mail.folder,
                )
            ).inserted_primary_key
    except IntegrityError:
        return None
    assert key is not None
    return int(key[0])


def set_folder(db: Connection, message_id: int, folder: str) -> None:
    """Say where a stored mail is to be moved."""
    db.execute(
        update(t.message)
        .where(t.message.c.id == message_id)
        .values(folder=folder, moved=not folder)
    )


def to_move(db: Connection, mailbox: str, uidvalidity: int) -> list[tuple[int, int, str]]:
    """Mails still to be moved: (row id, UID, folder)."""
    query = select(t.message.c.id, t.message.c.uid, t.message.c.folder).where(
        t.message.c.moved.is_(False),
        t.message.c.mailbox == mailbox,
        t.message.c.uidvalidity == uidvalidity,
    )
    return [(row.id, row.uid, row.folder) for row in db.execute(query)]


def moved(db: Connection, message_id: int) -> None:
    """The mail is where it belongs."""
    db.execute(update(t.message).where(t.message.c.id == message_id).values(moved=True))


def sender_id(db: Connection, address: str, now: datetime) -> int:
    """Row id of a sender, made where it is new."""
    query = select(t.sender.c.id).where(t.sender.c.address == address)
    if (found := db.execute(query).scalar()) is not None:
        return int(found)
    key = db.execute(insert(t.sender).values(address=address, first_seen=now)).inserted_primary_key
    assert key is not None
    return int(key[0])


def set_bounced(db: Connection, address: str, now: datetime) -> None:
    """A mail to this address came back."""
    known = sender_id(db, address, now)
    db.execute(update(t.sender).where(t.sender.c.id == known).values(bounced=now))


def clear_bounced(db: Connection, address: str) -> None:
    """Somebody wrote from this address: it is worth another try."""
    db.execute(
        update(t.sender)
        .where(t.sender.c.address == address, t.sender.c.bounced.is_not(None))
        .values(bounced=None)
    )


def bounced(db: Connection, address: str) -> datetime | None:
    """When a mail to this address last came back; None where that is not known or settled."""
    query = select(t.sender.c.bounced).where(t.sender.c.address == address.lower())
    return db.execute(query).scalar()


@dataclass(frozen=True, slots=True)
class Unheard:
    """A mail that got no answer, for the operator."""

    received: datetime
    verdict: str
    sender: str
    subject: str
    reason: str


def unheard(
    db: Connection, since: datetime, until: datetime, verdicts: Sequence[str]
) -> list[Unheard]:
    """Mails with one of these verdicts in a time, oldest first."""
    columns = (
        t.message.c.received,
        t.message.c.verdict,
        t.message.c.sender,
        t.message.c.subject,
        t.message.c.reason,
    )
    query = (
        select(*columns)
        .where(
            t.message.c.received >= since,
            t.message.c.received < until,
            t.message.c.verdict.in_(verdicts),
        )
        .order_by(t.message.c.id)
    )
    return [Unheard(*row) for row in db.execute(query)]


def may_refuse(db: Connection, address: str, now: datetime) -> bool:
    """Whether this stranger may get a courtesy refusal now (one a day); if so, it is noted."""
    known = sender_id(db, address, now)
    done = db.execute(
        update(t.sender)
        .where(
            t.sender.c.id == known,
            t.sender.c.refused.is_(None) | (t.sender.c.refused < now - timedelta(days=1)),
        )
        .values(refused=now)
    )
    return done.rowcount == 1
