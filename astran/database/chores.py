"""What the service has to do at a time (chores), and what it must not do before a time (holds)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

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
    query = (
        select(*_CHORE.columns)
        .where(t.chore.c.due <= now, t.chore.c.name.startswith(prefix, autoescape=True))
        .order_by(t.chore.c.due, t.chore.c.id)
    )
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


def get_hold(db: Connection, name: str) -> Hold | None:
    """What holds this back, if anything did since it last went well."""
    return _HOLD.first(db, select(*_HOLD.columns).where(t.hold.c.name == name))


def set_hold(db: Connection, name: str, new: Hold) -> None:
    """Hold something back until a time."""
    values = {"until": new.until, "failures": new.failures, "reason": new.reason[:2000]}
    if db.execute(update(t.hold).where(t.hold.c.name == name).values(**values)).rowcount == 0:
        db.execute(insert(t.hold).values(name=name, **values))


def release_hold(db: Connection, name: str) -> bool:
    """It went well again; False where nothing held it back."""
    return db.execute(delete(t.hold).where(t.hold.c.name == name)).rowcount == 1
