"""What is in the scheduler's hands: all live tasks at once, without their plans."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, tuple_

from astran.base.scheduler import Priority
from astran.base.states import TaskState
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t
from astran.database.submissions import SubmissionState
from astran.database.tasks import MAX_BOUND_ROWS, TaskRow, read_tasks

IN_HAND = (TaskState.SUBMITTED, TaskState.RUNNING)
"""States of a task that the scheduler knows and that has not ended."""


class LiveTask(NamedTuple):
    """A task that the scheduler has, and what was last seen of its newest attempt."""

    task_id: int
    analysis_id: int
    key: str
    state: TaskState
    request: str
    attempt_id: int
    submission_id: int
    array_index: int
    status: str
    """Newest JobState."""
    word: str
    reason: str
    node: str
    missing_since: datetime | None
    missing_looks: int
    number: int = 0
    """Of that attempt, from 1."""


_READER = RowReader(
    LiveTask,
    t.attempt,
    t.task,
    attempt_id=t.attempt.c.id,
    status=t.attempt.c.sight,
    request=t.task.c.wish,
)


def live_tasks_of(db: Connection, scheduler: str, analysis_id: int | None = None) -> list[LiveTask]:
    """Every task that this scheduler has (of one analysis), oldest submission first."""
    query = _IN_HAND.join(t.submission, t.submission.c.id == t.attempt.c.submission_id).where(
        t.submission.c.state == SubmissionState.SUBMITTED, t.submission.c.scheduler == scheduler
    )
    if analysis_id is not None:
        query = query.where(t.task.c.analysis_id == analysis_id)
    return _READER.all(db, query)


def live_tasks_of_submissions(db: Connection, submissions: Collection[int]) -> Iterator[LiveTask]:
    """What is in hand of these submissions."""
    ids = sorted(submissions)
    for start in range(0, len(ids), MAX_BOUND_ROWS):
        some = t.attempt.c.submission_id.in_(ids[start : start + MAX_BOUND_ROWS])
        yield from _READER.all(db, _IN_HAND.where(some))


def live_tasks_of_elements(
    db: Connection, elements: Mapping[int, Collection[int]]
) -> Iterator[LiveTask]:
    """The same of some elements only: array indices by submission."""
    pairs = [(key, index) for key, indices in elements.items() for index in indices]
    pair = tuple_(t.attempt.c.submission_id, t.attempt.c.array_index)
    for start in range(0, len(pairs), MAX_BOUND_ROWS):
        yield from _READER.all(db, _IN_HAND.where(pair.in_(pairs[start : start + MAX_BOUND_ROWS])))


_IN_HAND = (
    _READER.query.join_from(t.task, t.attempt)
    .where(
        t.task.c.state.in_(list(IN_HAND)),
        t.attempt.c.number == t.task.c.attempts,
        t.attempt.c.ended.is_(None),
    )
    .order_by(t.attempt.c.submission_id, t.attempt.c.array_index)
)


def count_in_hand(db: Connection) -> dict[tuple[str, Priority], int]:
    """How many tasks the scheduler has, or is being given, by requester and priority."""
    c = t.analysis.c
    query = (
        select(c.requester, c.priority, func.count())
        .join_from(t.task, t.analysis, t.task.c.analysis_id == c.id)
        .where(t.task.c.state.in_([*IN_HAND, TaskState.SUBMITTING]))
        .group_by(c.requester, c.priority)
    )
    return {(row[0], Priority(row[1])): row[2] for row in db.execute(query)}


def tasks_under_way(db: Connection) -> list[TaskRow]:
    """Every task of any analysis that is being submitted, waits in a queue or runs."""
    live = (*IN_HAND, TaskState.SUBMITTING)
    query = select(t.task).where(t.task.c.state.in_(list(live))).order_by(t.task.c.id)
    return read_tasks(db, query)
