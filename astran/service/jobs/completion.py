"""Classifies attempts that have ended and does what follows: done, failed, or once more."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from astran.base.disk_space import disk_full_error
from astran.base.exit_record import ExitRecord, ProductRecord
from astran.base.scheduler import JobState
from astran.base.states import TaskState
from astran.database import tasks
from astran.database.analyses import Analysis
from astran.database.history import return_codes
from astran.database.history.task_products import add_products
from astran.database.tasks import AttemptRow, TaskMove, TaskRow
from astran.production.job.logs import extract_log_excerpt
from astran.service.context import Context
from astran.service.jobs.failure_classification import (
    AttemptEnd,
    AttemptVerdict,
    NextStep,
    classify_end,
)
from astran.service.jobs.pending_reasons import last_reason
from astran.service.jobs.polling import read_record
from astran.service.jobs.retry_policy import (
    RETRY_POLICY,
    FailureCause,
    escalate_resources,
    may_retry,
)

_ENDED = (TaskState.CHECKING, TaskState.LOST)


@dataclass
class _Successes:
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
        successes = _Successes()
        for task in rows:
            _settle(context, db, task, attempts[task.id], successes)
        tasks.change_attempts(db, successes.attempts)
        add_products(db, successes.products)
        tasks.move_tasks(db, context.clock.now(), successes.moves, reason="")


def _settle(
    context: Context, db: Connection, task: TaskRow, attempt: AttemptRow, successes: _Successes
) -> None:
    now = context.clock.now()
    record = read_record(task, attempt)
    verdict = _classify(db, task, attempt, record, now)
    if verdict.step is NextStep.WAIT:
        return
    excerpt = record.log_excerpt if record else extract_log_excerpt(Path(task.log))
    # a full disk takes the record, too
    if verdict.cause is FailureCause.NO_RECORD and (full := disk_full_error(excerpt)):
        verdict = AttemptVerdict(NextStep.RETRY, FailureCause.DISK_FULL, full)
    values: dict[str, Any] = {"outcome": verdict.cause, "reason": verdict.reason}
    values["telling"] = list(excerpt)
    if record is not None:
        values |= _attempt_values(attempt, record)
    if verdict.step is NextStep.DONE:
        assert record is not None
        successes.attempts.append({"id": attempt.id, **values})
        successes.products += [(task.id, product) for product in record.products]
        successes.moves.append(
            TaskMove(task.id, task.analysis_id, task.key, task.state, TaskState.DONE)
        )
        return
    tasks.change_attempt(db, attempt.id, **values)
    if verdict.step is NextStep.CANCELLED:
        tasks.move_task(db, now, task, TaskState.CANCELLED, verdict.reason, reason=verdict.reason)
    else:
        _retry_or_fail(context, db, task, attempt, verdict)


def _classify(
    db: Connection, task: TaskRow, attempt: AttemptRow, record: ExitRecord | None, now: datetime
) -> AttemptVerdict:
    if task.state is TaskState.LOST:
        return AttemptVerdict(NextStep.RETRY, FailureCause.LOST, "the scheduler lost the job")
    code = record.returncode if record is not None else None
    known = return_codes.exit_meaning(db, task.spec.argv, code) if code else None
    end = AttemptEnd(
        status=JobState(attempt.status) if attempt.status else None,
        raw_state=attempt.word,
        node=attempt.node,
        record=record,
        ended=attempt.ended or now,
        transient_exit=known is not None and known.transient,
        exit_meaning=known.meaning if known else "",
        explanation=last_reason(attempt),
    )
    return classify_end(end, now)


def _attempt_values(attempt: AttemptRow, record: ExitRecord) -> dict[str, Any]:
    """What the row of the attempt keeps of its record: node, used memory and time."""
    began, finished = map(datetime.fromisoformat, (record.started, record.ended))
    # Slurm samples the memory now and then only: the larger figure is nearer to the truth
    known_mb = (attempt.max_rss_mb, record.max_rss_mb)
    return {
        "node": attempt.node or record.host,
        "max_rss_mb": max((mb for mb in known_mb if mb), default=None),
        "began": began,
        "finished": finished,
        "elapsed_s": (finished - began).total_seconds(),
    }


def _retry_or_fail(
    context: Context, db: Connection, task: TaskRow, attempt: AttemptRow, verdict: AttemptVerdict
) -> None:
    now, settings = context.clock.now(), context.site.scheduler
    rule = RETRY_POLICY[verdict.cause]
    tries = tasks.count_tries(db, task.id)
    again = may_retry(
        verdict.cause,
        tries_by_cause=tasks.count_tries(db, task.id, verdict.cause),
        tries=tries,
        attempts_per_cause=settings.attempts,
    )
    escalated = escalate_resources(task.resources, verdict.cause, settings.limits)
    if not again or escalated is None:
        number = f", {tries} attempts" if tries > 1 else ""
        advice = f"; {rule.advice}" if escalated is None else ""
        reason = f"{verdict.reason}{number}{advice}"
        tasks.move_task(db, now, task, TaskState.FAILED, verdict.reason, reason=reason)
        return
    excluded = {attempt.node} - {""} if rule.exclude_node else set()
    tasks.move_task(
        db,
        now,
        task,
        TaskState.PLANNED,
        f"again, because {verdict.reason}",
        reason=verdict.reason,
        resources=asdict(escalated),
        exclude=sorted({*task.exclude, *excluded}),
        not_before=now + rule.pause,
    )
