"""What the service has to do at a time (chores), and what it must not do before a time (holds)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from astran.base.states import AnalysisState
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is due."""

    name: str
    due: datetime
    tries: int


_CHORE = RowReader(Chore, t.chore)


def plan_chore(db: Connection, name: str, due: datetime) -> bool:
    """Note a chore; False where it is noted already (it then keeps its time)."""
    try:
        with db.begin_nested():
            db.execute(insert(t.chore).values(name=name, due=due, tries=0))
    except IntegrityError:
        return False
    return True


def advance_chore(db: Connection, name: str, due: datetime) -> None:
    """Note a chore; one that is noted already becomes due at this time, if it was later."""
    if not plan_chore(db, name, due):
        db.execute(
            update(t.chore).where(t.chore.c.name == name, t.chore.c.due > due).values(due=due)
        )


def due_chores(db: Connection, now: datetime, prefix: str = "") -> list[Chore]:
    """Chores whose time has come, oldest first; only those whose names begin with `prefix`."""
    query = _CHORE.query.where(
        t.chore.c.due <= now, t.chore.c.name.startswith(prefix, autoescape=True)
    ).order_by(t.chore.c.due, t.chore.c.id)
    return _CHORE.all(db, query)


def time_of(db: Connection, name: str) -> datetime | None:
    """When a chore is due; None where it is not noted."""
    return db.execute(select(t.chore.c.due).where(t.chore.c.name == name)).scalar()


def postpone_chore(db: Connection, name: str, to: datetime) -> None:
    """The chore is due again at another time; counts as one more try."""
    db.execute(
        update(t.chore).where(t.chore.c.name == name).values(due=to, tries=t.chore.c.tries + 1)
    )


def strike_chore(db: Connection, name: str) -> bool:
    """Strike a chore off; False where somebody else did it first."""
    return db.execute(delete(t.chore).where(t.chore.c.name == name)).rowcount == 1


@dataclass(frozen=True, slots=True)
class Hold:
    """Why something must wait."""

    until: datetime
    failures: int
    reason: str


_HOLD = RowReader(Hold, t.hold)
_HOLD_OF_NAME = _HOLD.query.where(t.hold.c.name == bindparam("name"))
"""Made once: every tick asks some ten times."""


def get_hold(db: Connection, name: str) -> Hold | None:
    """What holds this back, if anything did since it last went well."""
    row = db.execute(_HOLD_OF_NAME, {"name": name}).first()
    return None if row is None else _HOLD.read(row)


def set_hold(db: Connection, name: str, new: Hold) -> None:
    """Hold something back until a time."""
    values = {"until": new.until, "failures": new.failures, "reason": new.reason[:2000]}
    if db.execute(update(t.hold).where(t.hold.c.name == name).values(**values)).rowcount == 0:
        db.execute(insert(t.hold).values(name=name, **values))


def release_hold(db: Connection, name: str) -> bool:
    """It went well again; False where nothing held it back."""
    return db.execute(delete(t.hold).where(t.hold.c.name == name)).rowcount == 1


_JITTER = timedelta(minutes=2)
"""Clocks of two machines may differ by so much."""
_PAUSE = timedelta(minutes=40)
"""Longest pause of an analysis or a task, and more."""
_LONG_PAUSE = timedelta(hours=3)
"""Of a mail, and more."""
_DAY = timedelta(hours=25)
_TRYING = timedelta(days=5)
"""For so long a mail is tried with pauses of hours, then of days."""


def bound_future_times(db: Connection, now: datetime, longest_look: timedelta) -> int:
    """Take back times that only a clock which was ahead can have stored; returns how many.

    No pause is longer than a known time, and what has happened lies in the past. Without this, one
    tick with the clock a day ahead would keep everything waiting for a day.

    Parameters
    ----------
    longest_look : longest pause between two looks for data
    """
    if not _was_ahead(db, now, longest_look):
        return 0
    return sum(db.execute(query).rowcount for query in _future_queries(now, longest_look))


_NEWEST = 200
_POLL = "scheduler-look"
_LIVE = [state.value for state in AnalysisState if not state.final]
_POLL_PAUSE = timedelta(hours=1)


def _was_ahead(db: Connection, now: datetime, longest_look: timedelta) -> bool:
    """Whether a clock was ahead lately: cheap, as every tick asks."""
    latest = db.execute(_LATEST_EVENT).scalar()
    if latest is not None and latest > now + _JITTER:
        return True
    limits = {
        "day": now + _DAY,
        "poll": now + _POLL_PAUSE,
        "pause": now + _PAUSE,
        "look": now + longest_look + _PAUSE,
    }
    return any(db.execute(query, limits).first() is not None for query in (_HELD, _WAITS))


def _limit(name: str) -> ColumnElement[datetime]:
    return bindparam(name, type_=t.hold.c.until.type)


def _held_for_too_long() -> Select[Any]:
    c = t.hold.c
    poll = (c.name == _POLL) & (c.until > _limit("poll"))
    return select(c.id).where(or_(c.until > _limit("day"), poll)).limit(1)


def _waits_for_too_long() -> Select[Any]:
    c = t.analysis.c
    late = or_(c.next_step > _limit("pause"), c.next_look > _limit("look"))
    return select(c.id).where(c.state.in_(_LIVE), late).limit(1)


def _latest_event() -> Select[Any]:
    newest = select(t.event.c.at).order_by(t.event.c.id.desc()).limit(_NEWEST).subquery()
    return select(func.max(newest.c.at))


_LATEST_EVENT, _HELD, _WAITS = _latest_event(), _held_for_too_long(), _waits_for_too_long()


def _future_queries(now: datetime, longest_look: timedelta) -> list[Update]:
    mail, put_off, message = t.outgoing_mail.c, t.put_off.c, t.message.c
    open_mail = mail.state.not_in(("sent", "dead"))
    tried_often = mail.created > now - _TRYING
    mail_late = or_(
        mail.next_try > now + _DAY,
        tried_often & (mail.next_try > now + _LONG_PAUSE),
        (mail.state == "sending") & (mail.next_try > now + _JITTER),
    )
    analysis, task, submission = t.analysis.c, t.task.c, t.submission.c
    given = submission.state == "submitted"
    # a job counts as ours if it was submitted after that time
    before = now - timedelta(days=2)

    def late(column: ColumnElement[datetime], pause: timedelta) -> ColumnElement[bool]:
        return column > now + pause

    return [
        update(t.hold).where(late(t.hold.c.until, _DAY)).values(until=now),
        update(t.hold)
        .where(t.hold.c.name == _POLL, late(t.hold.c.until, _POLL_PAUSE))
        .values(until=now),
        update(t.chore).where(late(t.chore.c.due, _DAY)).values(due=now),
        update(t.analysis).where(late(analysis.next_step, _PAUSE)).values(next_step=None),
        update(t.analysis)
        .where(late(analysis.next_look, longest_look + _PAUSE))
        .values(next_look=None),
        update(t.analysis).where(late(analysis.trouble_since, _JITTER)).values(trouble_since=now),
        update(t.task)
        .where(task.state == "planned", late(task.not_before, _PAUSE))
        .values(not_before=None),
        update(t.submission)
        .where(submission.state == "intent", late(submission.intent, _JITTER))
        .values(intent=now, missing_since=None),
        update(t.submission)
        .where(given, late(submission.submitted, _JITTER))
        .values(submitted=before),
        update(t.attempt)
        .where(t.attempt.c.outcome == "", late(t.attempt.c.ended, _JITTER))
        .values(ended=now),
        update(t.attempt)
        .where(t.attempt.c.outcome == "", late(t.attempt.c.missing_since, _JITTER))
        .values(missing_since=now),
        update(t.outgoing_mail).where(open_mail, mail_late).values(next_try=now),
        update(t.put_off).where(late(put_off.next_try, _LONG_PAUSE)).values(next_try=now),
        update(t.message)
        .where(message.moved.is_(False), late(message.move_after, _LONG_PAUSE))
        .values(move_after=None),
    ]
