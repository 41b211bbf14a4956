"""One look at the scheduler for all live analyses, and what follows for each attempt."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from astran.base.errors import SchedulerUnavailable
from astran.base.jobs import JobRef, JobState, Missing, Seen, Sight, Unavailable
from astran.base.records import ExitRecord
from astran.base.states import LIVE_TASK_STATES, TaskState
from astran.service.context import Context
from astran.store import events, submissions, tasks
from astran.store.submissions import Submission
from astran.store.tasks import AttemptRow, TaskRow

DOUBT_AGE = timedelta(seconds=90)
"""A submission without answer is looked up once no other process can still be at it."""
DOUBT_LOOKS = timedelta(seconds=30)
"""Slurm must not know a token in two looks at least so far apart before it counts as void."""


def resolve_doubts(context: Context) -> None:
    """Find out about submissions whose answer was lost with a crash or a time-out."""
    with context.db.begin() as db:
        doubts = submissions.in_doubt(db)
    for doubt in doubts:
        now = context.clock.now()
        # the pool of this machine answers with certainty; a cluster may lag or still be asked
        local = context.scheduler.name == "local"
        if not local and now - doubt.intent < DOUBT_AGE:
            continue
        found = context.scheduler.find(doubt.token, doubt.intent)
        looked = doubt.missing_since is not None and now - doubt.missing_since >= DOUBT_LOOKS
        never = isinstance(found, Missing) and (local or looked)
        if never:
            # it may have run and be forgotten; else it must not turn up beside the next one
            found = _forbid(context, doubt)
        with context.db.begin() as db:
            if isinstance(found, str):
                submissions.settle(db, now, doubt, found)
            elif isinstance(found, Missing):
                if never:
                    submissions.void(db, now, doubt, "the submission never reached the scheduler")
                elif doubt.missing_since is None:
                    submissions.look_again(db, doubt, now)
            else:
                _unavailable(context, db, found)


def _forbid(context: Context, doubt: Submission) -> str | Missing | Unavailable:
    try:
        return context.scheduler.forbid(doubt.token, doubt.folder) or Missing()
    except SchedulerUnavailable as error:
        return Unavailable(str(error))


def observe(context: Context) -> None:
    """Ask the scheduler once about everything that is live, and write down what it says."""
    with context.db.begin() as db:
        live = submissions.live(db, context.scheduler.name)
    if not live:
        return
    refs = [JobRef(s.token, s.job_id, s.submitted or s.intent, s.size, s.folder) for s in live]
    sights = context.scheduler.observe(refs)
    by_id = {s.id: s for s in live}
    for analysis_id in sorted({s.analysis_id for s in live}):
        with context.db.begin() as db:
            attempts = tasks.newest_attempts(db, analysis_id)
            for task in tasks.of_analysis(db, analysis_id):
                attempt = attempts.get(task.id)
                if attempt is None or task.state not in LIVE_TASK_STATES:
                    continue
                batch = by_id.get(attempt.submission_id)
                if batch is not None and attempt.ended is None:
                    _apply(context, db, task, attempt, batch, sights)


def _apply(
    context: Context,
    db: Connection,
    task: TaskRow,
    attempt: AttemptRow,
    batch: Submission,
    sights: dict[tuple[str, int], Sight],
) -> None:
    sight = sights.get((batch.token, attempt.array_index), Unavailable("not answered"))
    if isinstance(sight, Unavailable):
        _unavailable(context, db, sight)
    elif isinstance(sight, Missing):
        _missing(context, db, task, attempt)
    else:
        _seen(context, db, task, attempt, sight)


def _seen(
    context: Context, db: Connection, task: TaskRow, attempt: AttemptRow, sight: Seen
) -> None:
    now = context.clock.now()
    tasks.change_attempt(
        db,
        attempt.id,
        sight=sight.state,
        word=sight.word,
        reason=sight.reason,
        exit_code=sight.exit_code,
        signal=sight.signal,
        node=sight.node or attempt.node,
        max_rss_mb=sight.max_rss_mb,
        elapsed_s=sight.elapsed_s,
        missing_since=None,
        ended=now if sight.state.ended else None,
    )
    if sight.state.ended:
        tasks.move(db, now, task, TaskState.CHECKING, f"the scheduler says {sight.word}")
    elif sight.state is JobState.RUNNING and task.state is TaskState.SUBMITTED:
        tasks.move(db, now, task, TaskState.RUNNING, f"on {sight.node}" if sight.node else "")
    elif sight.state in (JobState.PENDING, JobState.HELD) and task.state is TaskState.RUNNING:
        tasks.move(db, now, task, TaskState.SUBMITTED, "requeued")
    elif sight.state is JobState.STRANGE and attempt.word != sight.word:
        text = f"{task.spec.key}: the scheduler says {sight.word!r}, a word ASTRAN does not know"
        events.note(db, now, "strange-state", text, task.analysis_id, task.id)
        context.say(text)


def _missing(context: Context, db: Connection, task: TaskRow, attempt: AttemptRow) -> None:
    """The scheduler answered and does not know the job: the task's own record decides, and only
    a long silence of both makes it lost."""
    now = context.clock.now()
    record = read_record(task, attempt)
    if record is not None:
        tasks.change_attempt(db, attempt.id, ended=now, sight="", word="")
        tasks.move(db, now, task, TaskState.CHECKING, "unknown to the scheduler, has a record")
        return
    if attempt.missing_since is None:
        tasks.change_attempt(db, attempt.id, missing_since=now)
        return
    limit = timedelta(minutes=context.site.scheduler.slurm.lost_after_min)
    if now - attempt.missing_since >= limit:
        tasks.change_attempt(db, attempt.id, ended=now)
        tasks.move(db, now, task, TaskState.LOST, "the scheduler no longer knows the job")


def read_record(task: TaskRow, attempt: AttemptRow) -> ExitRecord | None:
    """The exit record of this very attempt, if it is there and whole."""
    try:
        record = ExitRecord.read(Path(task.spec.record))
    except ValueError:
        return None
    return record if record is not None and record.token == attempt.token else None


def _unavailable(context: Context, db: Connection, sight: Unavailable) -> None:
    now = context.clock.now()
    if events.count(db, "scheduler-unavailable", now - timedelta(minutes=10)) == 0:
        text = f"{context.scheduler.name} does not answer: {sight.reason}"
        events.note(db, now, "scheduler-unavailable", text)
        context.say(text)
