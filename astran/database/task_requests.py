"""Requests of people for single tasks: to be cancelled, held, released, run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select, update

from astran.base.states import TaskState
from astran.database.schema import tables as t
from astran.database.tasks import MAX_BOUND_ROWS, TaskRow, read_tasks, wake_analyses


class TaskRequest(StrEnum):
    """Kept in `task.wish` until the scheduler confirms it."""

    NONE = ""
    CANCEL = "cancel"
    HOLD = "hold"
    """Stays until it is taken back: the task is not submitted, or waits in the queue held."""
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class TaskSelection:
    """Which tasks of an analysis are selected; all by default."""

    stage: str = ""
    run: int | None = None

    def __str__(self) -> str:
        parts = [self.stage.upper()] if self.stage else []
        if self.run is not None:
            parts.append(f"run {self.run}")
        return ", ".join(parts) or "all"

    @property
    def all(self) -> bool:
        return not self.stage and self.run is None


def selected_tasks(db: Connection, analysis_id: int, selection: TaskSelection) -> list[TaskRow]:
    """The selected tasks, in the order of the plan."""
    query = (
        select(t.task)
        .join_from(t.task, t.stage)
        .join(t.run, t.run.c.id == t.task.c.run_id, isouter=True)
        .where(t.task.c.analysis_id == analysis_id)
        .order_by(t.task.c.id)
    )
    if selection.stage:
        query = query.where(t.stage.c.name == selection.stage)
    if selection.run is not None:
        query = query.where(t.run.c.number == selection.run)
    return read_tasks(db, query)


def set_request(db: Connection, rows: Sequence[TaskRow], request: TaskRequest) -> None:
    """Note a request for tasks, and have the next tick look at their analyses."""
    for start in range(0, len(rows), MAX_BOUND_ROWS):
        ids = [row.id for row in rows[start : start + MAX_BOUND_ROWS]]
        db.execute(update(t.task).where(t.task.c.id.in_(ids)).values(wish=request))
    wake_analyses(db, {row.analysis_id for row in rows})


def requested_tasks(db: Connection, analysis_id: int) -> list[TaskRow]:
    """Tasks of an analysis with a request that is neither confirmed nor taken back."""
    query = (
        select(t.task)
        .where(t.task.c.analysis_id == analysis_id, t.task.c.wish != TaskRequest.NONE)
        .order_by(t.task.c.id)
    )
    return read_tasks(db, query)


def newest_statuses(db: Connection, rows: Sequence[TaskRow]) -> dict[int, str]:
    """By task: what was last seen of its newest attempt."""
    found: dict[int, str] = {}
    for start in range(0, len(rows), MAX_BOUND_ROWS):
        ids = [
            row.id
            for row in rows[start : start + MAX_BOUND_ROWS]
            if row.state is TaskState.SUBMITTED
        ]
        query = (
            select(t.task.c.id, t.attempt.c.sight.label("status"))
            .join_from(t.task, t.attempt)
            .where(t.task.c.id.in_(ids), t.attempt.c.number == t.task.c.attempts)
        )
        found |= {row.id: row.status for row in db.execute(query)}
    return found
