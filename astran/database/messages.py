"""Incoming mails: how far the mailbox was read, what was taken, what is still to be moved.

The mailbox is read upwards by UID. A mail that cannot be dealt with now is put off: the cursor
passes it, and it is asked for again by its UID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from astran.database.row_reader import RowReader
from astran.database.schema import tables as t


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a mailbox was read."""

    uidvalidity: int
    last_uid: int


_CURSOR = RowReader(Cursor, t.mailbox_cursor)


def get_cursor(db: Connection, mailbox: str) -> Cursor | None:
    """The cursor of a mailbox, None before its first reading."""
    query = _CURSOR.query.where(t.mailbox_cursor.c.mailbox == mailbox)
    return _CURSOR.first(db, query)


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


def act_key(message_id: str, sender: str) -> str:
    """What a mail and its copies have in common, whatever folder or server they came through."""
    text = f"{message_id}\0{sender.lower()}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def add_message(db: Connection, mail: Incoming) -> int | None:
    """Store a mail and return its row id; None for one that is known already by its UID."""
    try:
        with db.begin_nested():
            key = db.execute(
                insert(t.message).values(**asdict(mail), moved=not mail.folder)
            ).inserted_primary_key
    except IntegrityError:
        return None
    assert key is not None
    return int(key[0])


def may_act(db: Connection, row: int, key: str) -> bool:
    """Note that a stored mail acts; False where a mail with this key acted already.

    Of two copies that are taken at the same moment only one may act: the second waits here for the
    end of the first one's transaction.
    """
    try:
        with db.begin_nested():
            db.execute(update(t.message).where(t.message.c.id == row).values(act_key=key))
    except IntegrityError:
        return False
    return True


def raw_of_analysis(db: Connection, analysis_id: int) -> bytes | None:
    """The mail that asked for an analysis, as far as it is kept; None for one without a mail."""
    query = (
        select(t.message.c.raw)
        .join_from(t.analysis, t.request)
        .join(t.message, t.message.c.id == t.request.c.message_id)
        .where(t.analysis.c.id == analysis_id)
    )
    return db.execute(query).scalar()


def did_not_act(db: Connection, row: int) -> None:
    """What a mail asked for was not done after all: a copy of it may still act."""
    db.execute(update(t.message).where(t.message.c.id == row).values(act_key=None))


def set_folder(db: Connection, message_id: int, folder: str) -> None:
    """Say where a stored mail is to be moved."""
    db.execute(
        update(t.message)
        .where(t.message.c.id == message_id)
        .values(folder=folder, moved=not folder)
    )


def messages_to_move(
    db: Connection, mailbox: str, uidvalidity: int, now: datetime, limit: int = 500
) -> list[tuple[int, int, str]]:
    """Mails to be moved now, those that were refused least first: (row id, UID, folder)."""
    c = t.message.c
    query = (
        select(c.id, c.uid, c.folder)
        .where(
            c.moved.is_(False),
            c.mailbox == mailbox,
            c.uidvalidity == uidvalidity,
            c.move_after.is_(None) | (c.move_after <= now),
        )
        .order_by(c.move_tries, c.id)
        .limit(limit)
    )
    return [(row.id, row.uid, row.folder) for row in db.execute(query)]


def mark_moved(db: Connection, message_id: int) -> None:
    """The mail is where it belongs."""
    db.execute(update(t.message).where(t.message.c.id == message_id).values(moved=True))


PAUSES = tuple(timedelta(minutes=m) for m in (1, 2, 4, 4, 15, 60))
"""Waits after the first, second, and each further failure with one mail."""


def _pause(failures: int) -> timedelta:
    return PAUSES[min(failures, len(PAUSES)) - 1]


def not_moved(db: Connection, message_id: int, now: datetime) -> None:
    """The server refused the move: it is tried again, with growing pauses."""
    at = t.message.c.id == message_id
    tries = db.execute(select(t.message.c.move_tries).where(at)).scalar_one() + 1
    values = {"move_tries": tries, "move_after": now + _pause(tries)}
    db.execute(update(t.message).where(at).values(**values))


def unmoved(db: Connection, mailbox: str) -> int:
    """How many mails the server refused to move, so far."""
    c = t.message.c
    query = select(func.count()).where(c.moved.is_(False), c.mailbox == mailbox, c.move_tries > 0)
    return db.execute(query).scalar_one()


@dataclass(frozen=True, slots=True)
class PutOff:
    """A mail that could not be dealt with yet."""

    uid: int
    tries: int
    faults: int
    """Tries that failed by the mail itself."""
    next_try: datetime
    reason: str


_PUT_OFF = RowReader(PutOff, t.put_off)


def put_off(
    db: Connection,
    mailbox: str,
    uidvalidity: int,
    uid: int,
    now: datetime,
    reason: str,
    *,
    fault: bool,
) -> PutOff:
    """Ask for a mail again later; `fault`: the try failed by the mail itself."""
    before = _put_off(db, mailbox, uidvalidity, uid)
    tries = (before.tries if before else 0) + 1
    faults = (before.faults if before else 0) + fault
    new = PutOff(uid, tries, faults, now + _pause(tries), reason[:2000])
    values = {"tries": tries, "faults": faults, "next_try": new.next_try, "reason": new.reason}
    at = _of_mail(mailbox, uidvalidity, uid)
    try:
        with db.begin_nested():
            if db.execute(update(t.put_off).where(*at).values(**values)).rowcount == 0:
                place = {"mailbox": mailbox, "uidvalidity": uidvalidity, "uid": uid}
                db.execute(insert(t.put_off).values(**place, **values))
    except IntegrityError:
        # another launcher met the same mail at the same moment, and noted it
        return new
    return new


def settle(db: Connection, mailbox: str, uidvalidity: int, uid: int) -> None:
    """A mail was dealt with, or is gone: it is not asked for again."""
    db.execute(delete(t.put_off).where(*_of_mail(mailbox, uidvalidity, uid)))


def all_put_off(db: Connection, mailbox: str, uidvalidity: int) -> list[PutOff]:
    """Mails that are asked for again, by their next try."""
    query = _PUT_OFF.query.where(
        t.put_off.c.mailbox == mailbox, t.put_off.c.uidvalidity == uidvalidity
    ).order_by(t.put_off.c.next_try, t.put_off.c.uid)
    return _PUT_OFF.all(db, query)


def forget_numbers(db: Connection, mailbox: str, uidvalidity: int) -> None:
    """The server numbered its mails anew: what was to be done by the old numbers is void."""
    c = t.message.c
    db.execute(
        update(t.message)
        .where(c.moved.is_(False), c.mailbox == mailbox, c.uidvalidity != uidvalidity)
        .values(moved=True)
    )
    db.execute(
        delete(t.put_off).where(
            t.put_off.c.mailbox == mailbox, t.put_off.c.uidvalidity != uidvalidity
        )
    )


def _of_mail(mailbox: str, uidvalidity: int, uid: int) -> tuple[ColumnElement[bool], ...]:
    c = t.put_off.c
    return c.mailbox == mailbox, c.uidvalidity == uidvalidity, c.uid == uid


def _put_off(db: Connection, mailbox: str, uidvalidity: int, uid: int) -> PutOff | None:
    query = _PUT_OFF.query.where(*_of_mail(mailbox, uidvalidity, uid))
    return _PUT_OFF.first(db, query)


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


def bounced_at(db: Connection, address: str) -> datetime | None:
    """When a mail to this address last came back; None where that is not known or settled."""
    query = select(t.sender.c.bounced).where(t.sender.c.address == address.lower())
    return db.execute(query).scalar()


@dataclass(frozen=True, slots=True)
class UnansweredMail:
    """A mail that got no answer, for the operator."""

    received: datetime
    verdict: str
    sender: str
    subject: str
    reason: str


def unanswered_mails(
    db: Connection, since: datetime, until: datetime, verdicts: Sequence[str]
) -> list[UnansweredMail]:
    """Mails with one of these verdicts in a time, oldest first."""
    reader = RowReader(UnansweredMail, t.message)
    query = reader.query.where(
        t.message.c.received >= since,
        t.message.c.received < until,
        t.message.c.verdict.in_(verdicts),
    ).order_by(t.message.c.id)
    return reader.all(db, query)


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
