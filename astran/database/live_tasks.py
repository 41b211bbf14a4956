"""What is in the scheduler's hands: all live tasks at once, without their plans."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from astran.base.states import TaskState
from astran.database.schema import tables as t
from astran.database.submissions import SubmissionState
from astran.database.tasks import AT_ONCE, TaskRow, task_row

IN_HAND = (TaskState.SUBMITTED, TaskState.RUNNING)
"""States of a task that the scheduler knows and that has not ended."""


@dataclass(frozen=True, slots=True)
class LiveTask:
    """A task that the scheduler has, and what was last seen of its newest attempt."""

    task_id: int
    analysis_id: int
    key: str
    state: TaskState
    wish: str
    attempt_id: int
    submission_id: int
    array_index: int
    sight: str
    word: str
    reason: str
    node: str
    missing_since: datetime | None
    missing_looks: int


_COLUMNS = (
    t.attempt.c.task_id,
    t.task.c.analysis_id,
    t.task.c.key,
    t.task.c.state,
    t.task.c.wish,
    t.attempt.c.id,
    t.attempt.c.submission_id,
    t.attempt.c.array_index,
    t.attempt.c.sight,
    t.attempt.c.word,
    t.attempt.c.reason,
    t.attempt.c.node,
    t.attempt.c.missing_since,
    t.attempt.c.missing_looks,
)


def live_tasks_of(db: Connection, scheduler: str, analysis_id: int | None = None) -> list[LiveTask]:
    """Every task that this scheduler has (of one analysis), oldest submission first."""
    query = _IN_HAND.join(t.submission, t.submission.c.id == t.attempt.c.submission_id).where(
        t.submission.c.state == SubmissionState.SUBMITTED, t.submission.c.scheduler == scheduler
    )
    if analysis_id is not None:
        query = query.where(t.task.c.analysis_id == analysis_id)
    return [as_watched(row) for row in db.execute(query)]


def rows_of_submissions(db: Connection, submissions: Collection[int]) -> Iterator[Sequence[Any]]:
    """What is in hand of these submissions, in the columns of `Watched`.

    There may be very many, and mostly nothing has changed for them: so they are left as rows.
    """
    ids = sorted(submissions)
    for start in range(0, len(ids), AT_ONCE):
        some = t.attempt.c.submission_id.in_(ids[start : start + AT_ONCE])
        yield from db.execute(_IN_HAND.where(some))


def rows_of_elements(
    db: Connection, elements: Mapping[int, Collection[int]]
) -> Iterator[Sequence[Any]]:
    """The same of some elements only: array indices by submission."""
    pairs = [(key, index) for key, indices in elements.items() for index in indices]
    pair = tuple_(t.attempt.c.submission_id, t.attempt.c.array_index)
    for start in range(0, len(pairs), AT_ONCE):
        yield from db.execute(_IN_HAND.where(pair.in_(pairs[start : start + AT_ONCE])))


_IN_HAND = (
    select(*_COLUMNS)
    .join_from(t.task, t.attempt)
    .where(
        t.task.c.state.in_(list(IN_HAND)),
        t.attempt.c.number == t.task.c.attempts,
        t.attempt.c.ended.is_(None),
    )
    .order_by(t.attempt.c.submission_id, t.attempt.c.array_index)
)


def as_watched(row: Sequence[Any]) -> LiveTask:
    """The row as an object."""
    values = list(row)
    values[3] = _STATES[values[3]]
    return LiveTask(*values)


_STATES = {state.value: state for state in IN_HAND}


def tasks_under_way(db: Connection) -> list[TaskRow]:
    """Every task of any analysis that is being submitted, waits in a queue or runs."""
    live = (*IN_HAND, TaskState.SUBMITTING)
    query = select(t.task).where(t.task.c.state.in_(list(live))).order_by(t.task.c.id)
    return [task_row(row) for row in db.execute(query).mappings()]
