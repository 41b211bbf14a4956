"""What happened, when: one row for each transition and each noteworthy fact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from astran.database.row_reader import RowReader
from astran.database.schema import tables as t


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the history."""

    at: datetime
    kind: str
    text: str
    analysis_id: int | None
    task_id: int | None


_READER = RowReader(Event, t.event)


def note_event(
    db: Connection,
    at: datetime,
    kind: str,
    text: str,
    analysis_id: int | None = None,
    task_id: int | None = None,
) -> None:
    """Write an event, in the caller's transaction."""
    db.execute(
        insert(t.event).values(
            at=at, kind=kind, text=text[:4000], analysis_id=analysis_id, task_id=task_id
        )
    )


def note_events(db: Connection, entries: Iterable[Event]) -> None:
    """Write several events, in the caller's transaction."""
    rows = [{**asdict(entry), "text": entry.text[:4000]} for entry in entries]
    if rows:
        db.execute(insert(t.event), rows)


def history(db: Connection, analysis_id: int) -> list[Event]:
    """All events of an analysis, oldest first."""
    query = select(*_READER.columns).where(t.event.c.analysis_id == analysis_id)
    return _READER.all(db, query.order_by(t.event.c.id))


def count_events(db: Connection, kind: str, since: datetime, analysis_id: int | None = None) -> int:
    """Events of a kind since a time."""
    query = select(func.count()).where(t.event.c.kind == kind, t.event.c.at >= since)
    if analysis_id is not None:
        query = query.where(t.event.c.analysis_id == analysis_id)
    return db.execute(query).scalar_one()
