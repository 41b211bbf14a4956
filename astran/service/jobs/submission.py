"""Handing ready tasks to the scheduler: the intent first, then the act, then its outcome."""

from __future__ import annotations

import logging
import secrets
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from astran.base.errors import SubmitRefused, SubmitUnknown
from astran.base.scheduler import Batch, Priority
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Resources
from astran.database import analyses, chores, submissions, tasks
from astran.database.analyses import Analysis
from astran.database.live_tasks import IN_HAND, count_in_hand
from astran.database.task_requests import TaskRequest, requested_tasks
from astran.database.tasks import TaskRow
from astran.mail.identity import person_of
from astran.service.context import Context
from astran.service.jobs import poll_interval
from astran.service.jobs.disk_space import AGAIN, affordable_tasks
from astran.service.jobs.places import (
    OVERDUE,
    Demand,
    InHand,
    Places,
    share_places,
)
from astran.service.jobs.readiness import is_ready, reusable_tasks

_log = logging.getLogger(__name__)

AT_LATEST = timedelta(minutes=10)
"""Every live analysis is looked at so often, whether or not anything is known to have happened."""


def find_ready(context: Context, analysis: Analysis) -> list[TaskRow]:
    """Every task that may be submitted now, in the order of the plan.

    Notes when the analysis must be looked at next, if nothing happens before.
    """
    now = context.clock.now()
    with context.db.begin() as db:
        fresh = analyses.get_analysis(db, analysis.id)
        if fresh.cancel_wanted or fresh.state not in _WORKING:
            return []
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
    return ready


def share_ready(context: Context, wanting: Sequence[tuple[Analysis, int]]) -> dict[int, int]:
    """How many tasks each of these analyses may submit, by id, in the order of submission.

    Parameters
    ----------
    wanting : analyses, and how many of their tasks are ready
    """
    demands = [
        Demand(analysis.id, person_of(analysis.requester), analysis.priority, ready)
        for analysis, ready in wanting
        if ready
    ]
    if not demands:
        return {}
    with context.db.begin() as db:
        places = known_places(context, db)
        in_hand = _in_hand(db)
        given = share_places(demands, in_hand, places)
        if sum(given.values()) < sum(one.tasks for one in demands):
            given = _share_by_history(context, db, demands, in_hand, places)
    return given


def _share_by_history(
    context: Context, db: Connection, demands: Sequence[Demand], in_hand: InHand, places: Places
) -> dict[int, int]:
    """What `share_places` gives where there are not enough places for all."""
    now = context.clock.now()
    served: dict[tuple[str, Priority], int] = {}
    overdue = {one.priority for one in demands}
    newest = submissions.newest_submissions(db, now - _HISTORY)
    for (requester, priority), (number, intent) in newest.items():
        key = person_of(requester), priority
        served[key] = max(number, served.get(key, 0))
        if intent > now - OVERDUE:
            overdue.discard(priority)
    return share_places(demands, in_hand, places, overdue, served)


_HISTORY = timedelta(days=1)
"""Whoever got nothing for so long counts as one who never got anything."""


def known_places(context: Context, db: Connection) -> Places:
    """How many tasks the scheduler may have, by the site's settings and by its own answers."""
    known = chores.get_hold(db, _TAKEN)
    fresh = known is not None and timedelta(0) < known.until - context.clock.now() <= _KNOWN_FOR
    settings = context.site.scheduler
    taken = known.failures if known is not None and fresh else None
    return Places(settings.most_tasks, taken, settings.kept_free)


def describe_full(context: Context, db: Connection, priority: Priority) -> str:
    """Why tasks of a priority wait for others to end, in words; empty where they need not."""
    most, number = known_places(context, db).most_for(priority), _in_hand(db).total()
    if most is None or number < most:
        return ""
    return (
        f"Its tasks wait for places: {number} tasks of this site are in the scheduler, and at most "
        f"{most} may be before more of priority {priority} come."
    )


def _in_hand(db: Connection) -> Counter[tuple[str, Priority]]:
    found = Counter[tuple[str, Priority]]()
    for (requester, priority), number in count_in_hand(db).items():
        found[person_of(requester), priority] += number
    return found


def submit_tasks(context: Context, analysis: Analysis, ready: Sequence[TaskRow]) -> int:
    """Submit tasks, one job array per stage; returns how many were submitted."""
    fitting = affordable_tasks(context, analysis, ready)
    if len(fitting) < len(ready):
        with context.db.begin() as db:
            again = context.clock.now() + AGAIN
            analyses.change_analysis(db, analysis.id, next_step=again)
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
    size = min(largest, _portion(context, analysis.priority, largest))
    left, count, tries = list(group), 0, 0
    while left and size and tries < MOST_TRIES:
        tries += 1
        part = left[:size]
        handed = _submit(context, analysis, stage, part)
        if handed is None:
            size = len(part) // 2
            _remember_portion(context, analysis.priority, size, len(part))
            # refused, each counts as one more attempt: read anew
            left = _again(context, analysis, left)
            continue
        count += handed
        left = left[len(part) :]
        size = min(2 * size, largest)
    return count


MOST_TRIES = 16
"""So many submissions of one group in a tick: each may take a while."""
_PORTION, _TAKEN = "submit-portion", "scheduler-took"
_KNOWN_FOR, _PAUSE = timedelta(hours=1), timedelta(minutes=5)


def _portion_name(priority: Priority) -> str:
    # what is refused to a campaign keeps nobody else waiting
    return f"{_PORTION}-campaign" if priority is Priority.CAMPAIGN else _PORTION


def _portion(context: Context, priority: Priority, largest: int) -> int:
    """How large an array is tried first: where one was refused, the size that came after it; none
    (zero) for a while after not even a single task was taken."""
    with context.db.begin() as db:
        known = chores.get_hold(db, _portion_name(priority))
    left = known.until - context.clock.now() if known else timedelta(0)
    if known is None or not timedelta(0) < left <= _KNOWN_FOR:
        return largest
    if known.failures:
        return known.failures
    return 0 if left > _KNOWN_FOR - _PAUSE else 1


def _remember_portion(context: Context, priority: Priority, size: int, refused: int) -> None:
    """Note that an array was refused for want of places, which size comes next, and how many tasks
    the scheduler takes at the most."""
    with context.db.begin() as db:
        until = context.clock.now() + _KNOWN_FOR
        reason = "no larger array was taken"
        chores.set_hold(db, _portion_name(priority), chores.Hold(until, size, reason))
        taken = _in_hand(db).total() + refused - 1
        chores.set_hold(db, _TAKEN, chores.Hold(until, taken, "no more tasks were taken"))


def _again(context: Context, analysis: Analysis, rows: Sequence[TaskRow]) -> list[TaskRow]:
    wanted = {row.id for row in rows}
    with context.db.begin() as db:
        planned = tasks.of_analysis(db, analysis.id, (TaskState.PLANNED,))
    return [row for row in planned if row.id in wanted]


_WORKING = (AnalysisState.WAITING, AnalysisState.RUNNING)
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
        # since it was looked for, the same work may have been submitted, or have ended: in another
        # analysis of this tick, or by another launcher
        submissions.lock_submissions(db)
        twins = tasks.under_way_like(db, [row.fingerprint for row in group], analysis.id)
        done = reusable_tasks(db, group)
        group = [row for row in group if row.fingerprint not in twins and row.id not in done]
        group = group[: _room(context, db, analysis)]
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
        if row.attempts:
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
        priority=analysis.priority,
        exclude=exclude,
        requester=analysis.requester,
        account=context.site.mail.account_of(analysis.requester) if context.site.mail else "",
    )
    return _hand_over(context, batch)


def _room(context: Context, db: Connection, analysis: Analysis) -> int | None:
    """How many more tasks may be submitted, now that nobody else does; None: no limit."""
    if analyses.get_analysis(db, analysis.id).cancel_wanted:
        return 0
    most = context.site.scheduler.most_tasks
    return None if most is None else max(0, most - _in_hand(db).total())


def _keep_old_log(log: Path, attempt: int) -> None:
    """The log of an earlier attempt gets its number: `dl2-1.log` becomes `dl2-1.attempt1.log`."""
    if log.exists():
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
