"""Verdicts on attempts that have ended, and what follows: done, failed, or once more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from astran.base.disk_space import disk_full_error
from astran.base.exit_record import ExitRecord, ProductRecord
from astran.base.scheduler import JobState
from astran.base.states import TaskState
from astran.database import tasks
from astran.database.analyses import Analysis
from astran.database.tasks import AttemptRow, TaskMove, TaskRow
from astran.production.job.logs import extract_log_excerpt
from astran.service.context import Context
from astran.service.jobs.failure_classification import (
    RETRIES,
    AttemptEnd,
    AttemptVerdict,
    FailureCause,
    NextStep,
    classify_end,
    escalate_resources,
)
from astran.service.jobs.pending_reasons import last_reason
from astran.service.jobs.polling import read_record

_PAUSE = {
    FailureCause.TRANSIENT: timedelta(minutes=5),
    FailureCause.NODE: timedelta(minutes=1),
    FailureCause.ROOM: timedelta(minutes=30),
}
_ENDED = (TaskState.CHECKING, TaskState.LOST)


@dataclass
class _Good:
    """Tasks that succeeded, gathered so that they can be written with few statements."""

    attempts: list[dict[str, Any]] = field(default_factory=list)
    products: list[tuple[int, ProductRecord]] = field(default_factory=list)
    moves: list[TaskMove] = field(default_factory=list)


def complete_ended(context: Context, analysis: Analysis) -> None:
    """Give a verdict on every attempt that has ended."""
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis.id, _ENDED)
        if not rows:
            return
        attempts = tasks.newest_attempts(db, analysis.id, _ENDED)
        good = _Good()
        for task in rows:
            _judge(context, db, task, attempts[task.id], good)
        tasks.change_attempts(db, good.attempts)
        tasks.add_products(db, good.products)
        tasks.move_tasks(db, context.clock.now(), good.moves, reason="")


def _judge(
    context: Context, db: Connection, task: TaskRow, attempt: AttemptRow, good: _Good
) -> None:
    now = context.clock.now()
    record = read_record(task, attempt)
    verdict = _verdict(db, task, attempt, record, now)
    if verdict.step is NextStep.WAIT:
        return
    values = _learnt(task, attempt, verdict, record)
    if verdict.step is NextStep.DONE:
        assert record is not None
        good.attempts.append({"id": attempt.id, **values})
        good.products += [(task.id, product) for product in record.products]
        good.moves.append(TaskMove(task.id, task.analysis_id, task.key, task.state, TaskState.DONE))
        return
    tasks.change_attempt(db, attempt.id, **values)
    if verdict.step is NextStep.CANCELLED:
        tasks.move_task(db, now, task, TaskState.CANCELLED, verdict.reason, reason=verdict.reason)
    else:
        _retry_or_fail(context, db, task, attempt, verdict)


def _verdict(
    db: Connection, task: TaskRow, attempt: AttemptRow, record: ExitRecord | None, now: datetime
) -> AttemptVerdict:
    if task.state is TaskState.LOST:
        return AttemptVerdict(NextStep.RETRY, FailureCause.LOST, "the scheduler lost the job")
    code = record.returncode if record is not None else None
    known = tasks.exit_meaning(db, Path(task.plain["argv"][0]).name, code) if code else None
    end = AttemptEnd(
        sight=JobState(attempt.sight) if attempt.sight else None,
        word=attempt.word,
        exit_code=attempt.exit_code,
        node=attempt.node,
        record=record,
        ended=attempt.ended or now,
        transient_exit=known is not None and known[1],
        meaning=known[0] if known else "",
        said=last_reason(attempt),
    )
    verdict = classify_end(end, now)
    if verdict.cause is not FailureCause.NO_RECORD or verdict.step is NextStep.WAIT:
        return verdict
    # a full disk takes the record, too
    full = disk_full_error(extract_log_excerpt(Path(task.plain["log"])))
    return AttemptVerdict(NextStep.RETRY, FailureCause.ROOM, full) if full else verdict


def _learnt(
    task: TaskRow, attempt: AttemptRow, verdict: AttemptVerdict, record: ExitRecord | None
) -> dict[str, Any]:
    """What the row of the attempt keeps: cause, node, used memory and time, telling lines."""
    values: dict[str, Any] = {"outcome": verdict.cause, "reason": verdict.reason}
    if record is not None:
        values["telling"] = list(record.telling)
        values["node"] = attempt.node or record.host
        # Slurm looks at the memory now and then only: the larger figure is nearer to the truth
        known = (attempt.max_rss_mb, record.max_rss_mb)
        values["max_rss_mb"] = max((mb for mb in known if mb), default=None)
        began, finished = map(datetime.fromisoformat, (record.started, record.ended))
        values |= {"began": began, "finished": finished}
        values["elapsed_s"] = (finished - began).total_seconds()
    else:
        values["telling"] = list(extract_log_excerpt(Path(task.plain["log"])))
    return values


def _retry_or_fail(
    context: Context, db: Connection, task: TaskRow, attempt: AttemptRow, verdict: AttemptVerdict
) -> None:
    now = context.clock.now()
    budget = RETRIES.get(verdict.cause, 0) if verdict.step is NextStep.RETRY else 0
    total = tasks.count_tries(db, task.id)
    more = escalate_resources(task.resources, verdict.cause, context.site.scheduler.limits)
    spent = (
        tasks.count_tries(db, task.id, verdict.cause) > budget
        or total >= context.site.scheduler.attempts + (verdict.cause is FailureCause.PREEMPTED) * 5
    )
    if spent or more is None:
        again = f", {total} attempts" if total > 1 else ""
        advice = "" if more is not None else f"; {_ADVICE[verdict.cause]}"
        reason = f"{verdict.reason}{again}{advice}"
        tasks.move_task(db, now, task, TaskState.FAILED, verdict.reason, reason=reason)
        return
    exclude = set(task.exclude)
    if verdict.cause is FailureCause.NODE and attempt.node:
        exclude.add(attempt.node)
    tasks.move_task(
        db,
        now,
        task,
        TaskState.PLANNED,
        f"again, because {verdict.reason}",
        reason=verdict.reason,
        resources={"cpus": more.cpus, "memory_mb": more.memory_mb, "time_min": more.time_min},
        exclude=sorted(exclude),
        not_before=now + _PAUSE.get(verdict.cause, timedelta()),
    )


_ADVICE = {
    FailureCause.MEMORY: (
        "it had the most memory that this site allows (scheduler.limits.memory_mb)"
    ),
    FailureCause.TIME: "it had the most time that this site allows (scheduler.limits.time_min)",
}
