"""Handing ready tasks to the scheduler: the intent first, then the act, then its outcome."""

from __future__ import annotations

import logging
import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from astran.base.errors import SubmitRefused, SubmitUnknown
from astran.base.scheduler import Batch
from astran.base.states import TaskState
from astran.base.tasks import Resources
from astran.database import analyses, chores, submissions, tasks
from astran.database.analyses import Analysis
from astran.database.live_tasks import IN_HAND
from astran.database.task_requests import TaskRequest, requested_tasks
from astran.database.tasks import TaskRow
from astran.service.context import Context
from astran.service.jobs import poll_interval
from astran.service.jobs.disk_space import AGAIN, affordable_tasks
from astran.service.jobs.readiness import is_ready

_log = logging.getLogger(__name__)

AT_LATEST = timedelta(minutes=10)
"""Every live analysis is looked at so often, whether or not anything is known to have happened."""


def submit_ready(context: Context, analysis: Analysis) -> int:
    """Submit every task that is ready, one job array per stage; returns how many were submitted.

    Notes when the analysis must be looked at next, if nothing happens before.
    """
    now = context.clock.now()
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis.id, (TaskState.PLANNED,))
        nodes = tasks.outline(db, analysis.id)
        able = [row for row in rows if row.request not in _NOT_NOW and is_ready(row, nodes)]
        ready = [row for row in able if row.not_before is None or row.not_before <= now]
        # the same work under way elsewhere: wait for it and reuse it
        twins = tasks.under_way_like(db, [row.fingerprint for row in ready], analysis.id)
        ready = [row for row in ready if row.fingerprint not in twins]
        waits = (
            twins
            or any(node.state in _UNSETTLED for node in nodes.values())
            or any(
                row.request != TaskRequest.HOLD or row.state in IN_HAND
                for row in requested_tasks(db, analysis.id)
            )
        )
        later = [row.not_before for row in able if row.not_before and row.not_before > now]
        if not waits and not ready:
            analyses.change_analysis(db, analysis.id, next_step=min([now + AT_LATEST, *later]))
    fitting = affordable_tasks(context, analysis, ready)
    if len(fitting) < len(ready):
        with context.db.begin() as db:
            analyses.change_analysis(db, analysis.id, next_step=now + AGAIN)
    groups: dict[tuple[str, Resources, tuple[str, ...]], list[TaskRow]] = defaultdict(list)
    for row in fitting:
        groups[row.stage, row.resources, row.exclude].append(row)
    return sum(
        _submit_group(context, analysis, stage, group) for (stage, *_), group in groups.items()
    )


def _submit_group(
    context: Context, analysis: Analysis, stage: str, group: Sequence[TaskRow]
) -> int:
    """Submit tasks that ask for the same, in arrays as large as the scheduler takes.

    Where it takes no array of a size because too many jobs would be in its queue, a smaller one is
    tried, and so on down to a single task. What it does not take then comes later, as it says in
    the reason of the tasks. The next time the last size that was taken comes first.
    """
    largest = context.scheduler.max_batch
    size = min(largest, _portion(context, largest))
    left, count, tries = list(group), 0, 0
    while left and size and tries < MOST_TRIES:
        tries += 1
        part = left[:size]
        handed = _submit(context, analysis, stage, part)
        if handed is None:
            size = len(part) // 2
            _remember_portion(context, size)
            # refused, each counts as one more attempt: read anew
            left = _again(context, analysis, left)
            continue
        count += handed
        left = left[len(part) :]
        size = min(2 * size, largest)
    return count


MOST_TRIES = 16
"""So many submissions of one group in a tick: each may take a while."""
_PORTION = "submit-portion"
_PORTION_FOR, _PAUSE = timedelta(hours=1), timedelta(minutes=5)


def _portion(context: Context, largest: int) -> int:
    """How large an array is tried first: where one was refused, the size that came after it; none
    (zero) for a while after not even a single task was taken."""
    with context.db.begin() as db:
        known = chores.get_hold(db, _PORTION)
    left = known.until - context.clock.now() if known else timedelta(0)
    if known is None or left <= timedelta(0):
        return largest
    if known.failures:
        return known.failures
    return 0 if left > _PORTION_FOR - _PAUSE else 1


def _remember_portion(context: Context, size: int) -> None:
    with context.db.begin() as db:
        until = context.clock.now() + _PORTION_FOR
        chores.set_hold(db, _PORTION, chores.Hold(until, size, "no larger array was taken"))


def _again(context: Context, analysis: Analysis, rows: Sequence[TaskRow]) -> list[TaskRow]:
    wanted = {row.id for row in rows}
    with context.db.begin() as db:
        planned = tasks.of_analysis(db, analysis.id, (TaskState.PLANNED,))
    return [row for row in planned if row.id in wanted]


_NOT_NOW = (TaskRequest.HOLD, TaskRequest.CANCEL)
_UNSETTLED = (TaskState.CHECKING, TaskState.LOST)


def _submit(
    context: Context,
    analysis: Analysis,
    stage: str,
    group: Sequence[TaskRow],
) -> int | None:
    """Submit tasks as one array; returns how many were submitted, None where fewer may be taken."""
    now = context.clock.now()
    resources, exclude = group[0].resources, group[0].exclude
    token = f"astran-{analysis.name}-{stage}-{secrets.token_hex(4)}"
    folder = analysis.folder / "jobmanager" / "batches" / token
    with context.db.begin() as db:
        # another launcher may have submitted the same work since it was looked for
        submissions.lock_submissions(db)
        twins = tasks.under_way_like(db, [row.fingerprint for row in group], analysis.id)
        group = [row for row in group if row.fingerprint not in twins]
        attempt_tokens = [f"{token}.{index}" for index in range(len(group))]
        if not group or not submissions.write_intent(
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
        _keep_old_log(Path(row.log), row.attempts)
    batch = Batch(
        token=token,
        label=f"{analysis.name} {analysis.label} {stage}",
        scripts=tuple(row.script for row in group),
        logs=tuple(row.log for row in group),
        tokens=tuple(attempt_tokens),
        resources=resources,
        folder=str(folder),
        throttle=context.site.scheduler.throttle,
        exclude=exclude,
        requester=analysis.requester,
        account=context.site.mail.account_of(analysis.requester) if context.site.mail else "",
    )
    return _hand_over(context, batch)


def _keep_old_log(log: Path, attempt: int) -> None:
    """The log of an earlier attempt gets its number: `dl2-1.log` becomes `dl2-1.attempt1.log`."""
    if attempt and log.exists():
        log.replace(log.with_suffix(f".attempt{attempt}.log"))


def _hand_over(context: Context, batch: Batch) -> int | None:
    try:
        job_id = context.scheduler.submit(batch)
    except SubmitUnknown as error:
        # the job may exist: it stays an intent, to be looked up by its token
        _log.warning("submission of %s: %s", batch.label, error)
        return 0
    except SubmitRefused as error:
        now = context.clock.now()
        _log.warning("submission of %s: %s", batch.label, error)
        with context.db.begin() as db:
            submission = submissions.submission_by_token(db, batch.token)
            if batch.exclude and not error.transient:
                # a small partition may have no nodes but those that failed
                submissions.void_submission(db, now, submission, str(error), exclude=[])
            elif error.transient:
                later = now + timedelta(minutes=2)
                submissions.void_submission(db, now, submission, str(error), not_before=later)
            else:
                reason = f"the scheduler refused the job: {error}"
                submissions.void_submission(db, now, submission, reason, to=TaskState.FAILED)
        return None if error.too_many else 0
    with context.db.begin() as db:
        submission = submissions.submission_by_token(db, batch.token)
        submissions.confirm_submission(db, context.clock.now(), submission, job_id)
        poll_interval.poll_soon(db)
    _log.info("%d tasks submitted as job %s, %s", len(batch.scripts), job_id, batch.label)
    return len(batch.scripts)
