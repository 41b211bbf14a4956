"""Stopping an analysis."""

from __future__ import annotations

from astran.base.errors import SchedulerUnavailable
from astran.base.jobs import JobRef
from astran.base.states import LIVE_TASK_STATES, TaskState
from astran.service import pace
from astran.service.context import Context
from astran.service.steering import CANCELLED
from astran.store import analyses, submissions, tasks
from astran.store.analyses import Analysis
from astran.store.watch import watched
from astran.store.wishes import Wish, set_wish


def cancel(context: Context, analysis: Analysis) -> bool:
    """Stop everything of an analysis; True once nothing of it is live any more."""
    now = context.clock.now()
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis.id)
        for row in rows:
            if row.state in (TaskState.PLANNED, TaskState.BLOCKED, TaskState.LOST):
                tasks.move(db, now, row, TaskState.CANCELLED, CANCELLED, reason=CANCELLED)
        # so that a task which the scheduler no longer knows counts as cancelled, not as lost
        set_wish(db, [row for row in rows if not row.state.final], Wish.CANCEL)
        pace.hurry(db)
        in_hand = watched(db, context.scheduler.name, analysis.id)
        live = submissions.by_ids(db, {one.submission_id for one in in_hand})
    for s in live.values():
        ref = JobRef(s.token, s.job_id, s.submitted or s.intent, s.size, s.folder)
        try:
            context.scheduler.cancel(ref)
        except SchedulerUnavailable as error:
            context.say(f"{analysis.name}: cancelling {s.job_id}: {error}")
    with context.db.begin() as db:
        nodes = tasks.outline(db, analysis.id)
    return not any(node.state in LIVE_TASK_STATES for node in nodes.values())


def want_cancel(context: Context, analysis: Analysis) -> None:
    """Note that the analysis is to be cancelled; the next tick acts."""
    with context.db.begin() as db:
        analyses.change(db, analysis.id, cancel_wanted=True)
