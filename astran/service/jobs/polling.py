"""One poll of the scheduler for all live analyses, and what follows for each attempt."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from astran.base.exit_record import ExitRecord
from astran.base.scheduler import JobRef, JobState, Known, Missing, Unavailable
from astran.base.states import TaskState
from astran.database import events, submissions, tasks
from astran.database.live_tasks import LiveTask, live_tasks_of_elements, live_tasks_of_submissions
from astran.database.submissions import Submission
from astran.database.task_requests import TaskRequest
from astran.database.tasks import AttemptRow, TaskMove, TaskRow
from astran.service.context import Context
from astran.service.jobs import poll_interval, scheduler_outages
from astran.service.jobs.unconfirmed_submissions import resolve_unconfirmed

_log = logging.getLogger(__name__)

LOST_POLLS = 8
"""In so many polls in a row the scheduler must not have known a job before it counts as lost: time
alone proves nothing where nobody asked, or nobody answered."""
CANCELLED_POLLS = 2
"""The same for a job that was cancelled on request: its absence is what was asked for."""


def poll_scheduler(context: Context) -> None:
    """Resolve unconfirmed submissions and poll all that is live, if a poll is due."""
    with context.db.begin() as db:
        if not poll_interval.is_poll_due(context, db):
            return
        unconfirmed = submissions.unconfirmed_submissions(
            db, context.scheduler.name, context.clock.now()
        )
        batches = submissions.open_submissions(db, context.scheduler.name)
    if not unconfirmed and not batches:
        return
    settled = resolve_unconfirmed(context, unconfirmed)
    if settled:
        with context.db.begin() as db:
            batches = submissions.open_submissions(db, context.scheduler.name)
    update_attempts(context, batches, settled)


def update_attempts(context: Context, batches: list[Submission], settled: bool = False) -> None:
    """Poll the scheduler once about everything that is live, and store what has changed.

    What it shows as at the poll before is left alone: neither is that answer read nor any task that
    it is about. `settled`: something has changed already.
    """
    refs = {batch.id: batch.job_ref() for batch in batches}
    snapshot = context.scheduler.poll(list(refs.values()))
    elements = {batch.id: snapshot.changed(refs[batch.id], batch.mark) for batch in batches}
    changed = {batch.id: batch for batch in batches if elements[batch.id] != ()}
    parts = {key: some for key in changed if (some := elements[key]) is not None}
    rows: list[LiveTask] = []
    if changed:
        with context.db.begin() as db:
            rows = [
                *live_tasks_of_submissions(db, changed.keys() - parts.keys()),
                *live_tasks_of_elements(db, parts),
            ]
    statuses = snapshot.statuses(_refs(rows, changed))
    updates = _Updates(context.clock.now())  # the answers may have taken long
    lost_after = timedelta(minutes=context.site.scheduler.lost_after_min)
    outage_reason = ""
    unsettled, remaining = set(), set(parts)
    for row in rows:
        batch, index = row.submission_id, row.array_index
        status = statuses.get((changed[batch].token, index))
        if isinstance(status, Known):
            if not status.state.ended:
                remaining.add(batch)
                before = (row.status, row.word, row.reason)
                shown = (status.state, status.raw_state, status.reason)
                if before == shown and not row.missing_since:
                    continue  # as it was: elapsed time and memory are written when they are final
            if status.state is JobState.UNKNOWN:
                unsettled.add(batch)
            updates.known(row, status)
            continue
        unsettled.add(batch)
        if isinstance(status, Unavailable):
            outage_reason = status.reason
        elif isinstance(status, Missing):
            updates.missing(row, lost_after, withdrawn=status.withdrawn)
    with context.db.begin() as db:
        if outage_reason:
            scheduler_outages.note_outage(context, db, outage_reason)
        elif batches:
            scheduler_outages.note_answer(context, db)
        updates.write(context, db)
        signatures = {
            key: "" if key in unsettled else snapshot.signature(refs[key]) for key in changed
        }
        submissions.mark_polled(
            db,
            {key: text for key, text in signatures.items() if text != changed[key].mark},
            changed.keys() - remaining - unsettled,
        )
        poll_interval.note_poll(context, db, settled or bool(updates.moves))


def _refs(rows: list[LiveTask], batches: Mapping[int, Submission]) -> list[JobRef]:
    wanted: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        wanted[row.submission_id].append(row.array_index)
    return [batches[key].job_ref(tuple(indices)) for key, indices in wanted.items()]


@dataclass
class _Updates:
    """What follows from a poll, gathered so that it can be written with few statements."""

    now: datetime
    attempts: list[dict[str, Any]] = field(default_factory=list)
    moves: list[TaskMove] = field(default_factory=list)
    gone: list[tuple[LiveTask, bool]] = field(default_factory=list)
    """Tasks that the scheduler no longer knows, and whether it is for so long that they count as
    lost."""
    withdrawn: set[int] = field(default_factory=set)
    """Attempts of these that somebody took out of the queue."""
    absent: list[dict[str, Any]] = field(default_factory=list)
    unknown: list[tuple[LiveTask, str]] = field(default_factory=list)
    """Tasks in a state that ASTRAN does not know, with its name."""

    def move(self, one: LiveTask, to: TaskState, text: str) -> None:
        number = one.number or None
        move = TaskMove(one.task_id, one.analysis_id, one.key, one.state, to, text, number)
        self.moves.append(move)

    def known(self, one: LiveTask, status: Known) -> None:
        state, ended = status.state, status.state.ended
        self.attempts.append(
            {
                "id": one.attempt_id,
                "sight": state,
                "word": status.raw_state,
                "reason": status.reason,
                "exit_code": status.exit_code,
                "signal": status.signal,
                "node": status.node or one.node,
                "max_rss_mb": status.max_rss_mb,
                "elapsed_s": status.elapsed_s,
                "missing_since": None,
                "missing_looks": 0,
                "ended": self.now if ended else None,
            }
        )
        if ended:
            self.move(one, TaskState.CHECKING, f"the scheduler reports {status.raw_state}")
        elif state is JobState.RUNNING and one.state is TaskState.SUBMITTED:
            self.move(one, TaskState.RUNNING, f"on {status.node}" if status.node else "")
        elif state in (JobState.PENDING, JobState.HELD) and one.state is TaskState.RUNNING:
            self.move(one, TaskState.SUBMITTED, "requeued")
        elif state is JobState.UNKNOWN and one.word != status.raw_state:
            self.unknown.append((one, status.raw_state))

    def missing(self, one: LiveTask, lost_after: timedelta, *, withdrawn: bool) -> None:
        """The scheduler answered and does not know the job: the task's own record decides, and
        only a long absence of both makes it lost."""
        since, polls = one.missing_since or self.now, one.missing_looks + 1
        # no record is kept of a waiting element that was cancelled: its absence confirms that
        confirmed = one.request == TaskRequest.CANCEL and polls >= CANCELLED_POLLS
        lost = confirmed or (polls >= LOST_POLLS and self.now - since >= lost_after)
        self.gone.append((one, lost))
        if withdrawn or confirmed:
            self.withdrawn.add(one.attempt_id)
        self.absent.append({"id": one.attempt_id, "missing_since": since, "missing_looks": polls})

    def write(self, context: Context, db: Connection) -> None:
        self._settle_gone(db)
        tasks.change_attempts(db, self.attempts)
        tasks.change_attempts(db, self.absent)
        tasks.move_tasks(db, self.now, self.moves)
        for one, raw_state in self.unknown:
            text = f"{one.key}: the scheduler reports the unknown state {raw_state!r}"
            events.note_event(db, self.now, "strange-state", text, one.analysis_id, one.task_id)
            scheduler_outages.report_unknown_state(context, db, one.key, raw_state)

    def _settle_gone(self, db: Connection) -> None:
        rows = tasks.get_all(db, [one.task_id for one, _ in self.gone])
        attempts = tasks.attempts_by_id(db, [one.attempt_id for one, _ in self.gone])
        ended: list[dict[str, Any]] = []
        for one, lost in self.gone:
            try:
                record = read_record(rows[one.task_id], attempts[one.attempt_id])
            except OSError as error:
                # a folder that cannot be read proves nothing, and keeps no other task waiting
                _log.warning("%s: its exit record cannot be read: %s", one.key, error)
                continue
            if record is not None:
                ended.append({"id": one.attempt_id, "ended": self.now, "sight": "", "word": ""})
                self.move(one, TaskState.CHECKING, "unknown to the scheduler, has a record")
            elif lost and one.attempt_id in self.withdrawn:
                cancelled = {"sight": JobState.CANCELLED, "word": ""}
                ended.append({"id": one.attempt_id, "ended": self.now, **cancelled})
                self.move(one, TaskState.CHECKING, "it was taken out of the queue")
            elif lost:
                tasks.change_attempt(db, one.attempt_id, ended=self.now)
                self.move(one, TaskState.LOST, "the scheduler no longer knows the job")
        tasks.change_attempts(db, ended)


def read_record(task: TaskRow, attempt: AttemptRow) -> ExitRecord | None:
    """The exit record of this very attempt, if it is there and whole."""
    try:
        record = ExitRecord.read(Path(task.record))
    except ValueError:
        return None
    return record if record is not None and record.token == attempt.token else None
