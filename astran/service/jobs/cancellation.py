"""Stopping an analysis: on request, or because it ends before its tasks."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection

from astran.base.errors import ProcessError, SchedulerError
from astran.base.states import LIVE_TASK_STATES, TaskState
from astran.database import analyses, submissions, tasks, unfinished_tasks
from astran.database.analyses import Analysis
from astran.database.live_tasks import live_tasks_of
from astran.database.orders import data_sets
from astran.database.submissions import Submission
from astran.database.task_requests import TaskRequest, set_request
from astran.service.context import Context
from astran.service.jobs import poll_interval
from astran.service.jobs.task_control import CANCELLED

_log = logging.getLogger(__name__)


def cancel_analysis(context: Context, analysis: Analysis, *, unjudged: bool = False) -> bool:
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
        unfinished_tasks.cancel_not_begun(db, now, analysis.id, reason)
        if unjudged:
            _fail_unjudged(db, now, analysis, reason)
        live = tasks.of_analysis(db, analysis.id, LIVE_TASK_STATES)
        if not live:
            # also where the scheduler is out of reach
            return True
        # so that a task which the scheduler no longer knows counts as cancelled, not as lost
        set_request(db, live, TaskRequest.CANCEL)
    with context.db.begin() as db:
        poll_interval.poll_soon(db)
        in_hand = live_tasks_of(db, context.scheduler.name, analysis.id)
        found = submissions.submissions_by_ids(db, {one.submission_id for one in in_hand})
    for submission in found.values():
        _cancel(context, analysis, submission)
    with context.db.begin() as db:
        return not unfinished_tasks.has_unfinished(db, analysis.id)


def _fail_unjudged(db: Connection, now: datetime, analysis: Analysis, reason: str) -> None:
    text = f"nobody could tell how it ended; {reason}"
    for row in tasks.of_analysis(db, analysis.id, (TaskState.CHECKING,)):
        tasks.move_task(db, now, row, TaskState.FAILED, text, reason=text)


def _cancel(context: Context, analysis: Analysis, s: Submission) -> None:
    try:
        context.scheduler.cancel(s.job_ref())
    except (SchedulerError, ProcessError, OSError) as error:
        # the next tick asks again
        _log.warning("cancelling job %s: %s", s.job_id, error)


def request_cancel(context: Context, analysis: Analysis) -> None:
    """Note that the analysis is to be cancelled; the next tick acts."""
    with context.db.begin() as db:
        analyses.change_analysis(db, analysis.id, cancel_wanted=True)
        if analysis.is_data_set:
            data_sets.stop_children(db, analysis.id)
