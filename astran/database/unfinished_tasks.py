"""Tasks that have not ended: no analysis ends while there is one of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Select, select

from astran.base.states import TaskState
from astran.database.schema import tables as t
from astran.database.tasks import TaskMove, move_tasks, of_analysis

UNBEGUN = (TaskState.PLANNED, TaskState.LOST)
"""The scheduler certainly has no job of such a task."""
_OPEN = [state.value for state in TaskState if not state.final]


def has_unfinished(db: Connection, analysis_id: int) -> bool:
    """Whether a task of an analysis has not ended."""
    c = t.task.c
    query = select(c.id).where(c.analysis_id == analysis_id, c.state.in_(_OPEN)).limit(1)
    return db.execute(query).first() is not None


def analyses_with_unfinished() -> Select[tuple[int]]:
    """Selects the analyses that have such tasks."""
    return select(t.task.c.analysis_id).where(t.task.c.state.in_(_OPEN)).distinct()


def cancel_not_begun(db: Connection, now: datetime, analysis_id: int, reason: str) -> None:
    """Cancel every task of an analysis that the scheduler does not have."""
    moves = [
        TaskMove(row.id, row.analysis_id, row.key, row.state, TaskState.CANCELLED, reason)
        for row in of_analysis(db, analysis_id, UNBEGUN)
    ]
    move_tasks(db, now, moves, reason=reason)
