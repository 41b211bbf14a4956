"""Submissions whose answer was lost with a crash or a time-out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from astran.base.errors import SchedulerUnavailable
from astran.base.scheduler import Missing, Unavailable
from astran.database import submissions
from astran.database.submissions import Submission
from astran.service.context import Context
from astran.service.jobs import scheduler_outages

MISSING_FOR = timedelta(seconds=30)
"""A scheduler whose answers may lag must not know a token in two polls at least so far apart before
the submission counts as void."""
MAX_LOOKUPS = 100
"""So many are looked up in one tick."""


def resolve_unconfirmed(context: Context, unconfirmed: Sequence[Submission]) -> bool:
    """Look them up with one question; returns whether any was settled."""
    scheduler, now = context.scheduler, context.clock.now()
    due = [one for one in unconfirmed if now - one.intent >= scheduler.unconfirmed_age]
    due = due[:MAX_LOOKUPS]
    if not due:
        return False
    found = scheduler.find_jobs({one.token: one.intent for one in due})
    now, changed = context.clock.now(), False
    for one in due:
        answer = found[one.token]
        for_long = one.missing_since is not None and now - one.missing_since >= MISSING_FOR
        never = isinstance(answer, Missing) and (scheduler.absence_is_proof or for_long)
        if never:
            # it may have run and be forgotten; else it must not turn up beside the next one
            answer = _forbid(context, one)
        with context.db.begin() as db:
            if isinstance(answer, str):
                submissions.confirm_submission(db, now, one, answer)
                changed = True
            elif isinstance(answer, Unavailable):
                scheduler_outages.note_outage(context, db, answer.reason)
                break  # one outage is the same for all
            elif never:
                submissions.void_submission(
                    db, now, one, "the submission never reached the scheduler"
                )
                changed = True
            elif one.missing_since is None:
                submissions.request_poll(db, one, now)
    return changed


def _forbid(context: Context, one: Submission) -> str | Missing | Unavailable:
    try:
        return context.scheduler.forbid(one.token, one.folder) or Missing()
    except SchedulerUnavailable as error:
        return Unavailable(str(error))
