"""Stopping an analysis: on request, or because it ends before its tasks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from astran.base.errors import ProcessError, SchedulerError
from astran.base.jobs import JobRef
from astran.base.states import LIVE_TASK_STATES, TaskState
from astran.service import pace
from astran.service.context import Context
from astran.service.steering import CANCELLED
from astran.store import analyses, open_tasks, submissions, tasks
from astran.store.analyses import Analysis
from astran.store.submissions import Submission
from astran.store.watch import watched
from astran.store.wishes import Wish, set_wish


def cancel(context: Context, analysis: Analysis, *, unjudged: bool = False) -> bool:
    """Stop everything of an analysis; True once nothing of it is live any more."""
    return stop(context, analysis, CANCELLED, unjudged=unjudged)


def stop(context: Context, analysis: Analysis, reason: str, *, unjudged: bool = False) -> bool:
    """Bring each task of an analysis to an end; True once nothing of it is live any more.

    Parameters
    ----------
    reason : of the tasks that are stopped
    unjudged : no verdict on attempts that have ended can be had: they count as failed
    """
    now = context.clock.now()
    with context.db.begin() as db:
        open_tasks.cancel_unbegun(db, now, analysis.id, reason)
        if unjudged:
            _fail_unjudged(db, now, analysis, reason)
        live = tasks.of_analysis(db, analysis.id, LIVE_TASK_STATES)
        if not live:
            # also where the scheduler is out of reach
            return True
        # so that a task which the scheduler no longer knows counts as cancelled, not as lost
        set_wish(db, live, Wish.CANCEL)
    with context.db.begin() as db:
        pace.hurry(db)
        in_hand = watched(db, context.scheduler.name, analysis.id)
        found = submissions.by_ids(db, {one.submission_id for one in in_hand})
    for submission in found.values():
        _cancel(context, analysis, submission)
    with context.db.begin() as db:
        return not open_tasks.any_open(db, analysis.id)


def _fail_unjudged(db: Connection, now: datetime, analysis: Analysis, reason: str) -> None:
    text = f"nobody could tell how it ended; {reason}"
    for row in tasks.of_analysis(db, analysis.id, (TaskState.CHECKING,)):
        tasks.move(db, now, row, TaskState.FAILED, text, reason=text)


def _cancel(context: Context, analysis: Analysis, s: Submission) -> None:
    ref = JobRef(s.token, s.job_id, s.submitted or s.intent, s.size, s.folder)
    try:
        context.scheduler.cancel(ref)
    except (SchedulerError, ProcessError, OSError) as error:
        # the next tick asks again
        context.say(f"{analysis.name}: cancelling {s.job_id}: {error}")


def want_cancel(context: Context, analysis: Analysis) -> None:
    """Note that the analysis is to be cancelled; the next tick acts."""
    with context.db.begin() as db:
        analyses.change(db, analysis.id, cancel_wanted=True)
