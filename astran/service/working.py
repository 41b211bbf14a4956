"""Moving the tasks of one analysis on: verdicts, reuse, dependencies, submission."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from astran.base.errors import SchedulerUnavailable, SubmitRefused, SubmitUnknown
from astran.base.jobs import Batch, JobRef, JobState
from astran.base.states import LIVE_TASK_STATES, TaskState
from astran.base.tasks import Resources, Stage
from astran.service.context import Context
from astran.service.observing import read_record
from astran.service.verdicts import RETRIES, Cause, End, Step, Verdict, judge, raised
from astran.store import analyses, submissions, tasks
from astran.store.analyses import Analysis
from astran.store.tasks import AttemptRow, TaskRow

_PAUSE = {Cause.TRANSIENT: timedelta(minutes=5), Cause.NODE: timedelta(minutes=1)}


def check_ended(context: Context, analysis: Analysis) -> None:
    """Give a verdict on every attempt that has ended."""
    with context.db.begin() as db:
        attempts = tasks.newest_attempts(db, analysis.id)
        for task in tasks.of_analysis(db, analysis.id):
            if task.state in (TaskState.CHECKING, TaskState.LOST):
                _judge(context, db, task, attempts[task.id])


def _judge(context: Context, db: Connection, task: TaskRow, attempt: AttemptRow) -> None:
    now = context.clock.now()
    record = read_record(task, attempt)
    if task.state is TaskState.LOST:
        verdict = Verdict(Step.RETRY, Cause.LOST, "the scheduler lost the job")
    else:
        tool = Path(task.spec.argv[0]).name
        code = record.returncode if record is not None else None
        known = None if code is None else tasks.exit_meaning(db, tool, code)
        verdict = judge(
            End(
                sight=JobState(attempt.sight) if attempt.sight else None,
                word=attempt.word,
                exit_code=attempt.exit_code,
                node=attempt.node,
                record=record,
                ended=attempt.ended or now,
                transient_exit=known is not None and known[1],
                meaning=known[0] if known else "",
            ),
            now,
        )
    if verdict.step is Step.WAIT:
        return
    values: dict[str, object] = {"outcome": verdict.cause, "reason": verdict.reason}
    if record is not None:
        values["telling"] = list(record.telling)
        values["node"] = attempt.node or record.host
        values["max_rss_mb"] = attempt.max_rss_mb or record.max_rss_mb
        values["elapsed_s"] = _seconds(record.started, record.ended)
    elif verdict.step is not Step.DONE:
        from astran.production.logs import telling_lines

        values["telling"] = list(telling_lines(Path(task.spec.log)))
    tasks.change_attempt(db, attempt.id, **values)
    if verdict.step is Step.DONE:
        assert record is not None
        tasks.add_products(db, task.id, record.products)
        tasks.move(db, now, task, TaskState.DONE, reason="")
    elif verdict.step is Step.CANCELLED:
        tasks.move(db, now, task, TaskState.CANCELLED, verdict.reason, reason=verdict.reason)
    else:
        _retry_or_fail(context, db, task, attempt, verdict)


def _retry_or_fail(
    context: Context, db: Connection, task: TaskRow, attempt: AttemptRow, verdict: Verdict
) -> None:
    now = context.clock.now()
    budget = RETRIES.get(verdict.cause, 0) if verdict.step is Step.RETRY else 0
    total = tasks.tries(db, task.id)
    if (
        tasks.tries(db, task.id, verdict.cause) > budget
        or total >= context.site.scheduler.attempts + (verdict.cause is Cause.PREEMPTED) * 5
    ):
        again = f", {total} attempts" if total > 1 else ""
        tasks.move(
            db, now, task, TaskState.FAILED, verdict.reason, reason=f"{verdict.reason}{again}"
        )
        return
    more = raised(task.resources, verdict.cause)
    exclude = set(task.exclude)
    if verdict.cause is Cause.NODE and attempt.node:
        exclude.add(attempt.node)
    tasks.move(
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


def _seconds(started: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()


def settle_dependencies(context: Context, analysis: Analysis) -> bool | None:
    """Fail what can no longer run and reuse what was done before.

    None: something changed, ask again. Otherwise whether every task has ended.
    """
    now = context.clock.now()
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis.id)
        by_key = {row.spec.key: row for row in rows}
        changed = False
        for row in rows:
            if row.state not in (TaskState.PLANNED, TaskState.BLOCKED):
                continue
            if reason := _hopeless(row, by_key):
                changed |= tasks.move(db, now, row, TaskState.FAILED, reason, reason=reason)
            elif is_ready(row, by_key) and (source := _reusable(db, row)) is not None:
                changed |= _reuse(db, now, row, source)
        if changed:
            return None
        return all(row.state.final for row in rows)


def _hopeless(row: TaskRow, by_key: dict[str, TaskRow]) -> str:
    for key in row.spec.needs:
        state = by_key[key].state
        if state in (TaskState.FAILED, TaskState.CANCELLED):
            return f"not run, because {key} {state}"
    if row.spec.after:
        states = [by_key[key].state for key in row.spec.after]
        if all(s.final for s in states) and not any(s.succeeded for s in states):
            stage = by_key[row.spec.after[0]].spec.stage
            return f"not run, because no task of stage {stage} succeeded"
    return ""


def is_ready(row: TaskRow, by_key: dict[str, TaskRow]) -> bool:
    """Whether all that the task waits for is there."""
    if not all(by_key[key].state.succeeded for key in row.spec.needs):
        return False
    states = [by_key[key].state for key in row.spec.after]
    return not states or (all(s.final for s in states) and any(s.succeeded for s in states))


def _reusable(db: Connection, row: TaskRow) -> int | None:
    """A finished task that did this very work and whose products are still as it left them."""
    if not row.spec.fingerprint:
        return None
    for task_id in tasks.finished_like(db, row.spec.fingerprint):
        products = tasks.products(db, task_id)
        if products and all(_intact(product) for product in products):
            return task_id
    return None


def _intact(product: tasks.Product) -> bool:
    try:
        status = Path(product.path).stat()
    except OSError:
        return False
    return status.st_size == product.size and status.st_mtime_ns == product.mtime_ns


def _reuse(db: Connection, now: datetime, row: TaskRow, source: int) -> bool:
    """Take over the products of `source`: linked under the names that this plan expects."""
    products = tasks.products(db, source)
    if len(products) != len(row.spec.outputs):
        return False
    for output, product in zip(row.spec.outputs, products, strict=True):
        target, there = Path(output.path), Path(product.path)
        if target == there:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()
        if not target.exists():
            target.symlink_to(there)
    text = f"taken from {Path(products[0].path).parent}"
    return tasks.move(db, now, row, TaskState.REUSED, text, reason=text, reused_from_id=source)


def submit_ready(context: Context, analysis: Analysis) -> int:
    """Submit every task that is ready, one job array per stage; returns how many were submitted."""
    now = context.clock.now()
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis.id)
        by_key = {row.spec.key: row for row in rows}
        ready = [
            row
            for row in rows
            if row.state in (TaskState.PLANNED, TaskState.BLOCKED)
            and (row.not_before is None or row.not_before <= now)
            and is_ready(row, by_key)
            # the same work under way elsewhere: wait for it and reuse it
            and not (
                row.spec.fingerprint
                and tasks.unfinished_like(db, row.spec.fingerprint, analysis.id)
            )
        ]
    groups: dict[tuple[Stage, Resources, tuple[str, ...]], list[TaskRow]] = defaultdict(list)
    for row in ready:
        groups[row.spec.stage, row.resources, row.exclude].append(row)
    count = 0
    for (stage, resources, exclude), group in groups.items():
        size = context.scheduler.max_batch
        for start in range(0, len(group), size):
            part = group[start : start + size]
            count += _submit(context, analysis, stage, resources, exclude, part)
    return count


def _submit(
    context: Context,
    analysis: Analysis,
    stage: Stage,
    resources: Resources,
    exclude: tuple[str, ...],
    group: Sequence[TaskRow],
) -> int:
    now = context.clock.now()
    token = f"astran-{analysis.name}-{stage}-{secrets.token_hex(4)}"
    attempt_tokens = [f"{token}.{index}" for index in range(len(group))]
    folder = analysis.folder / "jobmanager" / "batches" / token
    with context.db.begin() as db:
        if not submissions.intend(
            db,
            now,
            analysis.id,
            token,
            context.scheduler.name,
            str(folder),
            group,
            attempt_tokens,
        ):
            return 0
    for row in group:
        _keep_old_log(Path(row.spec.log), row.attempts)
    batch = Batch(
        token=token,
        label=f"{analysis.name} {analysis.label} {stage}",
        scripts=tuple(row.spec.script for row in group),
        logs=tuple(row.spec.log for row in group),
        tokens=tuple(attempt_tokens),
        resources=resources,
        folder=str(folder),
        throttle=context.site.scheduler.slurm.throttle,
        exclude=exclude,
        account=context.site.mail.account_of(analysis.requester) if context.site.mail else "",
    )
    return _hand_over(context, batch)


def _keep_old_log(log: Path, attempt: int) -> None:
    """The log of an earlier attempt gets its number: `dl2-1.log` becomes `dl2-1.attempt1.log`."""
    if attempt and log.exists():
        log.replace(log.with_suffix(f".attempt{attempt}.log"))


def _hand_over(context: Context, batch: Batch) -> int:
    try:
        job_id = context.scheduler.submit(batch)
    except SubmitUnknown as error:
        # the job may exist: it stays an intent, to be looked up by its token
        context.say(f"{batch.label}: {error}")
        return 0
    except SubmitRefused as error:
        now = context.clock.now()
        context.say(f"{batch.label}: {error}")
        with context.db.begin() as db:
            submission = submissions.by_token(db, batch.token)
            if error.transient:
                later = now + timedelta(minutes=2)
                submissions.void(db, now, submission, str(error), not_before=later)
            else:
                reason = f"the scheduler refused the job: {error}"
                submissions.void(db, now, submission, reason, to=TaskState.FAILED)
        return 0
    with context.db.begin() as db:
        submission = submissions.by_token(db, batch.token)
        submissions.settle(db, context.clock.now(), submission, job_id)
    context.say(f"{batch.label}: {len(batch.scripts)} tasks submitted as job {job_id}")
    return len(batch.scripts)


def cancel(context: Context, analysis: Analysis) -> bool:
    """Stop everything of an analysis; True once nothing of it is live any more."""
    now = context.clock.now()
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis.id)
        for row in rows:
            if row.state in (TaskState.PLANNED, TaskState.BLOCKED, TaskState.LOST):
                reason = "cancelled on request"
                tasks.move(db, now, row, TaskState.CANCELLED, reason, reason=reason)
        live = [
            s for s in submissions.live(db, context.scheduler.name) if s.analysis_id == analysis.id
        ]
    for s in live:
        ref = JobRef(s.token, s.job_id, s.submitted or s.intent, s.size, s.folder)
        try:
            context.scheduler.cancel(ref)
        except SchedulerUnavailable as error:
            context.say(f"{analysis.name}: cancelling {s.job_id}: {error}")
    with context.db.begin() as db:
        return not any(row.state in LIVE_TASK_STATES for row in tasks.of_analysis(db, analysis.id))


def want_cancel(context: Context, analysis: Analysis) -> None:
    """Note that the analysis is to be cancelled; the next tick acts."""
    with context.db.begin() as db:
        analyses.change(db, analysis.id, cancel_wanted=True)
