"""One look at the scheduler for all live analyses, and what follows for each attempt."""

from __future__ import annotations

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

LOST_LOOKS = 8
"""In so many looks in a row the scheduler must not have known a job before it counts as lost: time
alone proves nothing where nobody looked, or nobody answered."""
CANCELLED_LOOKS = 2
"""The same for a job that was cancelled on request: its absence is what was asked for."""


def poll_scheduler(context: Context) -> None:
    """Find out about lost answers and look at all that is live, if it is time to."""
    with context.db.begin() as db:
        if not poll_interval.is_poll_due(context, db):
            return
        doubts = submissions.unconfirmed_submissions(db)
        batches = submissions.open_submissions(db, context.scheduler.name)
    if not doubts and not batches:
        return
    settled = resolve_unconfirmed(context, doubts)
    if settled:
        with context.db.begin() as db:
            batches = submissions.open_submissions(db, context.scheduler.name)
    update_attempts(context, batches, settled)


def update_attempts(context: Context, batches: list[Submission], settled: bool = False) -> None:
    """Ask the scheduler once about everything that is live, and write down what it says.

    What it shows as at the last look is left alone: neither is that answer read nor any task that
    it is about. `settled`: there was news already.
    """
    refs = {batch.id: batch.job_ref() for batch in batches}
    look = context.scheduler.look(list(refs.values()))
    elements = {batch.id: look.changed(refs[batch.id], batch.mark) for batch in batches}
    changed = {batch.id: batch for batch in batches if elements[batch.id] != ()}
    parts = {key: some for key in changed if (some := elements[key]) is not None}
    rows: list[LiveTask] = []
    if changed:
        with context.db.begin() as db:
            rows = [
                *live_tasks_of_submissions(db, changed.keys() - parts.keys()),
                *live_tasks_of_elements(db, parts),
            ]
    sights = look.sights(_refs(rows, changed))
    news = _News(context.clock.now())  # the answers may have taken long
    quiet = timedelta(minutes=context.site.scheduler.slurm.lost_after_min)
    silence = ""
    unsettled, remaining = set(), set(parts)
    for row in rows:
        batch, index = row.submission_id, row.array_index
        sight = sights.get((changed[batch].token, index))
        if isinstance(sight, Known):
            if not sight.state.ended:
                remaining.add(batch)
                as_before = (row.status, row.word, row.reason)
                if as_before == (sight.state, sight.word, sight.reason) and not row.missing_since:
                    continue  # as it was: elapsed time and memory are written when they are final
            if sight.state is JobState.STRANGE:
                unsettled.add(batch)
            news.seen(row, sight)
            continue
        unsettled.add(batch)
        if isinstance(sight, Unavailable):
            silence = sight.reason
        elif isinstance(sight, Missing):
            news.missing(row, quiet, withdrawn=sight.withdrawn)
    with context.db.begin() as db:
        if silence:
            scheduler_outages.note_outage(context, db, silence)
        elif batches:
            scheduler_outages.note_answer(context, db)
        news.write(context, db)
        marks = {key: "" if key in unsettled else look.mark(refs[key]) for key in changed}
        submissions.mark_polled(
            db,
            {key: mark for key, mark in marks.items() if mark != changed[key].mark},
            changed.keys() - remaining - unsettled,
        )
        poll_interval.note_poll(context, db, settled or bool(news.moves), context.dice)


def _refs(rows: list[LiveTask], batches: Mapping[int, Submission]) -> list[JobRef]:
    wanted: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        wanted[row.submission_id].append(row.array_index)
    return [batches[key].job_ref(tuple(indices)) for key, indices in wanted.items()]


@dataclass
class _News:
    """What a look told, gathered so that it can be written with few statements."""

    now: datetime
    attempts: list[dict[str, Any]] = field(default_factory=list)
    moves: list[TaskMove] = field(default_factory=list)
    gone: list[tuple[LiveTask, bool]] = field(default_factory=list)
    """Tasks that the scheduler no longer knows, and whether it is for so long that they count as
    lost."""
    withdrawn: set[int] = field(default_factory=set)
    """Attempts of these that somebody took out of the queue."""
    unknown: list[dict[str, Any]] = field(default_factory=list)
    strange: list[tuple[LiveTask, str]] = field(default_factory=list)

    def move(self, one: LiveTask, to: TaskState, text: str) -> None:
        self.moves.append(TaskMove(one.task_id, one.analysis_id, one.key, one.state, to, text))

    def seen(self, one: LiveTask, sight: Known) -> None:
        state, ended = sight.state, sight.state.ended
        self.attempts.append(
            {
                "id": one.attempt_id,
                "sight": state,
                "word": sight.word,
                "reason": sight.reason,
                "exit_code": sight.exit_code,
                "signal": sight.signal,
                "node": sight.node or one.node,
                "max_rss_mb": sight.max_rss_mb,
                "elapsed_s": sight.elapsed_s,
                "missing_since": None,
                "missing_looks": 0,
                "ended": self.now if ended else None,
            }
        )
        if ended:
            self.move(one, TaskState.CHECKING, f"the scheduler says {sight.word}")
        elif state is JobState.RUNNING and one.state is TaskState.SUBMITTED:
            self.move(one, TaskState.RUNNING, f"on {sight.node}" if sight.node else "")
        elif state in (JobState.PENDING, JobState.HELD) and one.state is TaskState.RUNNING:
            self.move(one, TaskState.SUBMITTED, "requeued")
        elif state is JobState.STRANGE and one.word != sight.word:
            self.strange.append((one, sight.word))

    def missing(self, one: LiveTask, quiet: timedelta, *, withdrawn: bool) -> None:
        """The scheduler answered and does not know the job: the task's own record decides, and
        only a long silence of both makes it lost."""
        since, looks = one.missing_since or self.now, one.missing_looks + 1
        # Slurm keeps no record of a waiting element that was cancelled: its silence confirms that
        confirmed = one.request == TaskRequest.CANCEL and looks >= CANCELLED_LOOKS
        lost = confirmed or (looks >= LOST_LOOKS and self.now - since >= quiet)
        self.gone.append((one, lost))
        if withdrawn or confirmed:
            self.withdrawn.add(one.attempt_id)
        self.unknown.append({"id": one.attempt_id, "missing_since": since, "missing_looks": looks})

    def write(self, context: Context, db: Connection) -> None:
        self._settle_gone(db)
        tasks.change_attempts(db, self.attempts)
        tasks.change_attempts(db, self.unknown)
        tasks.move_tasks(db, self.now, self.moves)
        for one, word in self.strange:
            text = f"{one.key}: the scheduler says {word!r}, a word ASTRAN does not know"
            events.note_event(db, self.now, "strange-state", text, one.analysis_id, one.task_id)
            scheduler_outages.report_unknown_state(context, db, one.key, word)

    def _settle_gone(self, db: Connection) -> None:
        rows = tasks.get_all(db, [one.task_id for one, _ in self.gone])
        attempts = tasks.attempts_by_id(db, [one.attempt_id for one, _ in self.gone])
        ended: list[dict[str, Any]] = []
        for one, lost in self.gone:
            if read_record(rows[one.task_id], attempts[one.attempt_id]) is not None:
                ended.append({"id": one.attempt_id, "ended": self.now, "sight": "", "word": ""})
                self.move(one, TaskState.CHECKING, "unknown to the scheduler, has a record")
            elif lost and one.attempt_id in self.withdrawn:
                sight = {"sight": JobState.CANCELLED, "word": ""}
                ended.append({"id": one.attempt_id, "ended": self.now, **sight})
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
