"""What happened, when: one row for each transition and each noteworthy fact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from astran.base.states import AnalysisState
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
    # field by field: `asdict` would copy every value, and there may be ten thousand
    rows = [
        {
            "at": entry.at,
            "kind": entry.kind,
            "text": entry.text[:4000],
            "analysis_id": entry.analysis_id,
            "task_id": entry.task_id,
        }
        for entry in entries
    ]
    if rows:
        db.execute(insert(t.event), rows)


def prune_events(db: Connection, before: datetime, most: int) -> int:
    """Remove the oldest events from before a time, at most so many; returns how many.

    What happened to an analysis as a whole stays: when it came, and each move of it. So does
    everything of analyses that are under way.
    """
    c, final = t.event.c, [state.value for state in AnalysisState if state.final]
    ended = select(t.analysis.c.id).where(t.analysis.c.state.in_(final))
    query = (
        select(c.id)
        .where(
            c.at < before,
            c.kind.not_like("analysis-%"),
            c.kind != "received",
            c.analysis_id.is_(None) | c.analysis_id.in_(ended),
        )
        .order_by(c.id)
        .limit(most)
    )
    old = list(db.execute(query).scalars())
    for start in range(0, len(old), _BOUND):
        db.execute(delete(t.event).where(c.id.in_(old[start : start + _BOUND])))
    return len(old)


_BOUND = 500
"""Rows named in one statement: databases bound the number of its parameters."""


def history(db: Connection, analysis_id: int) -> list[Event]:
    """All events of an analysis, oldest first."""
    query = _READER.query.where(t.event.c.analysis_id == analysis_id)
    return _READER.all(db, query.order_by(t.event.c.id))


def count_events(db: Connection, kind: str, since: datetime, analysis_id: int | None = None) -> int:
    """Events of a kind since a time."""
    query = select(func.count()).where(t.event.c.kind == kind, t.event.c.at >= since)
    if analysis_id is not None:
        query = query.where(t.event.c.analysis_id == analysis_id)
    return db.execute(query).scalar_one()
