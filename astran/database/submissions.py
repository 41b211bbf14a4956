"""Submissions: the intent first, the job id when the scheduler has answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from astran.base.scheduler import JobRef, Priority
from astran.base.states import TaskState
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t
from astran.database.tasks import MAX_BOUND_ROWS, TaskMove, TaskRow, move_tasks


class SubmissionState(StrEnum):
    """Life of a submission."""

    INTENT = "intent"
    """Written before sbatch is called; until the answer is stored the job may or may not exist."""
    SUBMITTED = "submitted"
    ENDED = "ended"
    """Nothing of it is in the scheduler's hands any more."""
    VOID = "void"
    """Certainly never came to be."""


INTENTS = 0x415354524E
"""Number of the lock for `queue_up` in the database."""
VOID_OUTCOME = "void"
"""Outcome of an attempt whose submission never came to be: it does not count as a try."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One row of `submission`."""

    id: int
    analysis_id: int
    token: str
    scheduler: str
    job_id: str
    state: SubmissionState
    size: int
    folder: str
    intent: datetime
    submitted: datetime | None
    missing_since: datetime | None
    mark: str
    """Signature of the last snapshot, if that left nothing open: what the scheduler still shows is
    as the database has it. Empty: the status of every element must be read."""

    def job_ref(self, indices: tuple[int, ...] | None = None) -> JobRef:
        """How the scheduler is asked about the job, or about some of its elements."""
        since = self.submitted or self.intent
        return JobRef(self.token, self.job_id, since, self.size, self.folder, indices)


_READER = RowReader(Submission, t.submission)


def lock_submissions(db: Connection) -> None:
    """From here to the end of the transaction no other launcher writes an intent.

    On SQLite every transaction is alone; PostgreSQL needs a lock.
    """
    if db.dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(INTENTS)))


def write_intent(
    db: Connection,
    now: datetime,
    analysis_id: int,
    token: str,
    scheduler: str,
    folder: str,
    tasks: Sequence[TaskRow],
    attempt_tokens: Sequence[str],
) -> bool:
    """Write the intent to submit `tasks` as one array, and move them to SUBMITTING.

    All or nothing: False (and nothing written) where one of the tasks was moved by another.
    """
    with db.begin_nested() as savepoint:
        key = db.execute(
            insert(t.submission).values(
                analysis_id=analysis_id,
                token=token,
                scheduler=scheduler,
                state=SubmissionState.INTENT,
                size=len(tasks),
                folder=folder,
                intent=now,
            )
        ).inserted_primary_key
        assert key is not None
        for number in sorted({task.attempts for task in tasks}):
            group = [task for task in tasks if task.attempts == number]
            text = f"attempt {number + 1}"
            moves = _moves(group, TaskState.SUBMITTING, text)
            if len(move_tasks(db, now, moves, attempts=number + 1, not_before=None)) != len(group):
                savepoint.rollback()
                return False
        requested = {each: asdict(each) for each in {task.resources for task in tasks}}
        db.execute(
            insert(t.attempt),
            [
                {
                    "task_id": task.id,
                    "submission_id": key[0],
                    "number": task.attempts + 1,
                    "token": attempt_token,
                    "array_index": index,
                    "requested": requested[task.resources],
                    "telling": [],
                }
                for index, (task, attempt_token) in enumerate(
                    zip(tasks, attempt_tokens, strict=True)
                )
            ],
        )
    return True


ANY_SCHEDULER_AFTER = timedelta(days=1)
"""After so long nobody works with the scheduler of an unconfirmed submission any more."""


def unconfirmed_submissions(db: Connection, scheduler: str, now: datetime) -> list[Submission]:
    """Submissions to this scheduler of which it is not known whether they came to be: another one
    would not know them, and prove nothing by that."""
    c = t.submission.c
    query = _READER.query.where(
        c.state == SubmissionState.INTENT,
        (c.scheduler == scheduler) | (c.intent < now - ANY_SCHEDULER_AFTER),
    )
    query = query.order_by(t.submission.c.id)
    return _READER.all(db, query)


def open_submissions(db: Connection, scheduler: str) -> list[Submission]:
    """Submissions of which this scheduler may still have a task, oldest first."""
    query = _READER.query.where(
        t.submission.c.state == SubmissionState.SUBMITTED, t.submission.c.scheduler == scheduler
    )
    return _READER.all(db, query.order_by(t.submission.c.id))


def mark_polled(db: Connection, signatures: Mapping[int, str], ended: Collection[int]) -> None:
    """Note the new signatures of submissions, by id, and which have nothing in hand any more."""
    c = t.submission.c
    if signatures:
        query = update(t.submission).where(c.id == bindparam("_id"))
        rows = [{"_id": key, "_mark": mark} for key, mark in signatures.items()]
        db.execute(query.values(mark=bindparam("_mark")), rows)
    gone = sorted(ended)
    for start in range(0, len(gone), MAX_BOUND_ROWS):
        some = c.id.in_(gone[start : start + MAX_BOUND_ROWS])
        query = update(t.submission).where(some, c.state == SubmissionState.SUBMITTED)
        db.execute(query.values(state=SubmissionState.ENDED))


def submissions_by_ids(db: Connection, ids: Collection[int]) -> dict[int, Submission]:
    """Submissions by row id."""
    wanted = sorted(ids)
    found: dict[int, Submission] = {}
    for start in range(0, len(wanted), MAX_BOUND_ROWS):
        query = _READER.query.where(t.submission.c.id.in_(wanted[start : start + MAX_BOUND_ROWS]))
        found |= {row.id: row for row in _READER.all(db, query)}
    return found


def submission_by_token(db: Connection, token: str) -> Submission:
    """The submission with that token."""
    query = _READER.query.where(t.submission.c.token == token)
    return _READER.read(db.execute(query).one())


def confirm_submission(db: Connection, now: datetime, submission: Submission, job_id: str) -> None:
    """The job exists: its tasks are SUBMITTED."""
    done = db.execute(
        update(t.submission)
        .where(t.submission.c.id == submission.id, t.submission.c.state == SubmissionState.INTENT)
        .values(state=SubmissionState.SUBMITTED, job_id=job_id, submitted=now)
    )
    if done.rowcount == 1:
        move_tasks(db, now, _moves_of(db, submission, TaskState.SUBMITTED, f"job {job_id}"))


def void_submission(
    db: Connection,
    now: datetime,
    submission: Submission,
    reason: str,
    *,
    not_before: datetime | None = None,
    to: TaskState = TaskState.PLANNED,
    **values: Any,
) -> None:
    """The job certainly does not exist: its tasks may be submitted again (or fail).

    Further `values` are written into the tasks.
    """
    done = db.execute(
        update(t.submission)
        .where(t.submission.c.id == submission.id, t.submission.c.state == SubmissionState.INTENT)
        .values(state=SubmissionState.VOID)
    )
    if done.rowcount != 1:
        return
    moves = _moves_of(db, submission, to, reason)
    move_tasks(db, now, moves, reason=reason, not_before=not_before, **values)
    db.execute(
        update(t.attempt)
        .where(t.attempt.c.submission_id == submission.id)
        .values(outcome=VOID_OUTCOME, reason=reason)
    )


def newest_submissions(
    db: Connection, since: datetime
) -> dict[tuple[str, Priority], tuple[int, datetime]]:
    """Row id and time of the newest submission since a time, by requester and priority."""
    c, s = t.analysis.c, t.submission.c
    query = (
        select(c.requester, c.priority, func.max(s.id), func.max(s.intent))
        .join_from(t.submission, t.analysis, s.analysis_id == c.id)
        .where(s.intent > since, s.state != SubmissionState.VOID)
        .group_by(c.requester, c.priority)
    )
    return {(row[0], Priority(row[1])): (row[2], row[3]) for row in db.execute(query)}


def request_poll(db: Connection, submission: Submission, since: datetime) -> None:
    """The scheduler answered and does not know the token (yet)."""
    db.execute(
        update(t.submission).where(t.submission.c.id == submission.id).values(missing_since=since)
    )


def _moves(tasks: Sequence[TaskRow], to: TaskState, text: str) -> list[TaskMove]:
    return [TaskMove(task.id, task.analysis_id, task.key, task.state, to, text) for task in tasks]


def _moves_of(db: Connection, submission: Submission, to: TaskState, text: str) -> list[TaskMove]:
    """Moves of all tasks that are being submitted by it."""
    c = t.task.c
    query = (
        select(c.id, c.analysis_id, c.key)
        .join_from(t.task, t.attempt)
        .where(
            t.attempt.c.submission_id == submission.id,
            c.state == TaskState.SUBMITTING,
            t.attempt.c.number == c.attempts,
        )
        .order_by(t.attempt.c.array_index)
    )
    return [TaskMove(*row, TaskState.SUBMITTING, to, text) for row in db.execute(query)]
